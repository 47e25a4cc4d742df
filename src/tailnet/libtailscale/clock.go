package main

import "C"

import (
	"sync/atomic"
	"syscall"
	"time"

	"tailscale.com/control/controlclient"
	"tailscale.com/util/eventbus"
)

// epoch: a server that tells an earlier time does not know it. The same moment as tailscale.com/ipn/ipnlocal has.
var epoch = time.Unix(1673373066, 0)

// clock remembers how far the control server's time is ahead of ours. It comes with the network map, over the
// connection that both ends have proven themselves on.
type clock struct {
	known  atomic.Bool
	offset atomic.Int64 // milliseconds
}

// follow subscribes to what the control client is told. Called when tsnet has started; the server tells its time with
// every full network map.
func (c *clock) follow(bus *eventbus.Bus) {
	eventbus.SubscribeFunc(bus.Client("tailclaw.clock"), func(told controlclient.ControlTime) {
		if told.Value.Before(epoch) {
			return
		}
		c.offset.Store(time.Until(told.Value).Milliseconds())
		c.known.Store(true)
	})
}

// tailscale_clock_offset says how far the control server's clock is ahead of this machine's, in milliseconds; EAGAIN
// until the server has told its time.
//
//export tailscale_clock_offset
func tailscale_clock_offset(handle C.int, offsetOut *C.longlong) C.int {
	return withNode(handle, func(n *node) error {
		if !n.clock.known.Load() {
			return syscall.EAGAIN
		}
		*offsetOut = C.longlong(n.clock.offset.Load())
		return nil
	})
}

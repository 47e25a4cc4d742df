package main

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"tailscale.com/wgengine/netstack"
)

const (
	// timeWait: a SYN that meets its own former connection in TIME_WAIT (60 s by default, when our side closed first)
	// is dropped, so a peer with many short connections times out. With this its second SYN, a second later, gets
	// through. It is time enough to acknowledge a FIN again; duplicates that come late are WireGuard's to drop.
	timeWait = 500 * time.Millisecond
	// finWait is how long a closed connection waits for the peer's own close (60 s by default).
	finWait = time.Second
	// afterlife is how long the netstack still knows a connection that we have closed and whose peer is alive.
	afterlife = timeWait + finWait + 200*time.Millisecond

	// safeEndpoints: netstack.Impl.Close of tailscale.com 1.102.5 stops the reader of a 512-slot packet queue first,
	// and then blocks for ever on the resets it sends, one for each connection, if they are more than that.
	safeEndpoints = 400
	drainTick     = 20 * time.Millisecond
	// tsnetCloseTime is left of closeLimit for tsnet's own Close.
	tsnetCloseTime = time.Second
)

func (n *node) tuneNetstack() {
	stack, ok := n.server.Sys().Netstack.Get().(*netstack.Impl)
	if !ok {
		return
	}
	timeWaitOption, finWaitOption := tcpip.TCPTimeWaitTimeoutOption(timeWait), tcpip.TCPLingerTimeoutOption(finWait)
	for _, option := range []tcpip.SettableTransportProtocolOption{&timeWaitOption, &finWaitOption} {
		if err := stack.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			n.log.warnf("%T keeps its default: %v", option, err)
		}
	}
}

// drain lets the netstack forget closed connections until their number is safe. With peers that do not answer it does
// not become so; then tsnet's Close hangs, and tailscale_close reports that.
func (n *node) drain(deadline time.Time) {
	for n.endpoints.Load() > safeEndpoints && time.Until(deadline) > tsnetCloseTime {
		time.Sleep(drainTick)
	}
}

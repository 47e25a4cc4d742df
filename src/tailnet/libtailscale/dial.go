package main

import "C"

import (
	"context"
	"net"
	"syscall"
	"time"
)

// localAPIHost is the name under which tsnet serves its LocalAPI; nothing resolves it.
const localAPIHost = "local-tailscaled.sock"

// tailscale_localapi opens a stream on which HTTP/1.1 LocalAPI is spoken, with neither TCP port nor credential: who
// holds the descriptor may do everything. Keep it for many requests.
//
//export tailscale_localapi
func tailscale_localapi(handle C.int, fdOut *C.int) C.int {
	return withNode(handle, func(n *node) error {
		return n.open(fdOut, func() (net.Conn, error) {
			client, err := n.server.LocalClient()
			if err != nil {
				return nil, err
			}
			return client.Dial(context.Background(), "tcp", localAPIHost+":80")
		})
	})
}

// tailscale_dial connects to host:port in the tailnet and blocks for at most limitMS milliseconds, a wait for the
// login included.
//
//export tailscale_dial
func tailscale_dial(handle C.int, address *C.char, limitMS C.int, fdOut *C.int) C.int {
	target := C.GoString(address)
	return withNode(handle, func(n *node) error {
		return n.open(fdOut, func() (net.Conn, error) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(limitMS)*time.Millisecond)
			defer cancel()
			connection, err := n.server.Dial(ctx, "tcp", target)
			if err != nil && ctx.Err() != nil {
				return nil, syscall.ETIMEDOUT
			}
			return connection, err
		})
	})
}

func (n *node) open(fdOut *C.int, dial func() (net.Conn, error)) error {
	if err := n.running(); err != nil {
		return err
	}
	connection, err := dial()
	if err != nil {
		return err
	}
	s, theirs, err := n.newSplice(connection)
	if err != nil {
		_ = connection.Close()
		return err
	}
	s.start()
	*fdOut = C.int(theirs)
	return nil
}

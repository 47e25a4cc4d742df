package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// maxHello stays below the 64 KiB that Rust receives into.
const maxHello = 60 << 10

// hello is sent with the descriptor of an accepted connection. At most one of WhoIs and Error is there; without
// either the control plane does not know the address. Only WhoIs is an identity.
type hello struct {
	Source netip.AddrPort `json:"source"`
	// Self: the caller is this node.
	Self bool `json:"self"`
	// WhoIs is the LocalAPI's answer as it came (apitype.WhoIsResponse). Rust decodes it, by the same code as its own
	// LocalAPI calls; decoding it here first was most of the garbage of an accepted connection.
	WhoIs json.RawMessage `json:"whois,omitempty"`
	Error string          `json:"error,omitempty"`
}

// accept runs on the goroutine of the TCP handshake and lets it end: the stack that WhoIs has grown would otherwise
// stay with the connection.
func (n *node) accept(l *listener, connection net.Conn, source netip.AddrPort) {
	defer func() { <-l.pending }()
	greet := func() ([]byte, error) { return n.greet(source) }
	if err := n.handOver(l, connection, greet); err != nil {
		n.log.warnf("connection from %v dropped: %v", source, err)
		_ = connection.Close()
	}
}

func (n *node) handOver(l *listener, connection net.Conn, greet func() ([]byte, error)) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			n.log.warnf("panic: %v\n%s", cause, debug.Stack())
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	message, err := greet()
	if err != nil {
		return err
	}
	s, theirs, err := n.newSplice(connection)
	if err != nil {
		return err
	}
	defer unix.Close(theirs) // once sent, the message holds a reference of its own
	if err := sendWithDescriptor(l.socket, message, theirs); err != nil {
		s.cut()
		return fmt.Errorf("handing the connection over: %w", err)
	}
	s.start()
	return nil
}

func (n *node) greet(source netip.AddrPort) ([]byte, error) {
	greeting := hello{Source: source, Self: n.isOwnAddress(source.Addr())}
	whoIs, err := n.whoIs(source)
	if err != nil {
		greeting.Error = err.Error()
	} else {
		greeting.WhoIs = whoIs
	}
	message, err := json.Marshal(greeting)
	if err != nil || len(message) > maxHello {
		greeting.WhoIs, greeting.Error = nil, fmt.Sprintf("unusable identity (%d bytes): %v", len(message), err)
		return json.Marshal(greeting)
	}
	return message, nil
}

// sendWithDescriptor waits for a slow Rust side without a limit; the listener's pending bounds how many wait. Many
// goroutines share the socket, and a packet is sent whole.
func sendWithDescriptor(socket *os.File, message []byte, fd int) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	rights := unix.UnixRights(fd)
	var sendError error
	err = raw.Write(func(socketFD uintptr) bool {
		sendError = retryInterrupted(func() error {
			return unix.Sendmsg(int(socketFD), message, rights, nil, unix.MSG_NOSIGNAL)
		})
		return sendError != unix.EAGAIN
	})
	if err != nil {
		return err
	}
	return sendError
}

func retryInterrupted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

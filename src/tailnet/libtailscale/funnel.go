package main

import "C"

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"tailscale.com/ipn"
	"tailscale.com/tsnet"
)

// tailscale_listen_funnel takes what the internet sends to one port of the node's name: 443, 8443 or 10000. The packets
// of *listenerOut are those of tailscale_listen, without a WhoIs, as nobody knows these callers; source is their address
// on the internet. TLS is not ended here. The node has to be running; limitMS bounds the wait for that.
//
//export tailscale_listen_funnel
func tailscale_listen_funnel(handle C.int, port C.ushort, limitMS C.int, listenerOut *C.int) C.int {
	return withNode(handle, func(n *node) error {
		fd, err := n.listenFunnel(uint16(port), time.Duration(limitMS)*time.Millisecond)
		if err != nil {
			return err
		}
		*listenerOut = C.int(fd)
		return nil
	})
}

func (n *node) listenFunnel(port uint16, limit time.Duration) (fd int, err error) {
	if err := n.running(); err != nil {
		return -1, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	// tsnet's ListenFunnel waits for that, too, but without a limit.
	if _, err := n.server.Up(ctx); err != nil {
		return -1, err
	}
	// Its TLS is taken off again below: a tls.Conn that nobody has read from has not begun its handshake.
	internet, err := n.server.ListenFunnel("tcp", fmt.Sprintf(":%d", port), tsnet.FunnelOnly(),
		tsnet.FunnelTLSConfig(&tls.Config{}))
	if err != nil {
		return -1, err
	}
	l, fd, err := n.openListener(listenerKey{port: port, funnel: true})
	if err != nil {
		_ = internet.Close()
		return -1, err
	}
	go func() {
		n.removeWhenClosed(listenerKey{port: port, funnel: true}, l)
		_ = internet.Close()
	}()
	go n.acceptFunnel(l, internet)
	return fd, nil
}

func (n *node) acceptFunnel(l *listener, internet net.Listener) {
	for {
		connection, err := internet.Accept()
		if err != nil {
			return
		}
		select {
		case l.pending <- struct{}{}:
			go n.acceptFromInternet(l, connection)
		default:
			_ = connection.Close() // too many wait
		}
	}
}

func (n *node) acceptFromInternet(l *listener, connection net.Conn) {
	defer func() { <-l.pending }()
	caller, err := fromInternet(connection)
	if err == nil {
		err = n.handOver(l, caller, func() ([]byte, error) { return json.Marshal(hello{Source: caller.Src}) })
	}
	if err != nil {
		n.log.warnf("connection from the internet dropped: %v", err)
		_ = connection.Close()
	}
}

// fromInternet is what lies below the TLS that nobody has begun.
func fromInternet(connection net.Conn) (*ipn.FunnelConn, error) {
	session, ok := connection.(*tls.Conn)
	if !ok {
		return nil, fmt.Errorf("a connection by Funnel is a %T", connection)
	}
	caller, ok := session.NetConn().(*ipn.FunnelConn)
	if !ok || !caller.Src.IsValid() {
		return nil, errors.New("a connection by Funnel without its source")
	}
	return caller, nil
}

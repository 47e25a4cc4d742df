package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"tailscale.com/tsnet"
)

const (
	dialLimit = 30 * time.Second
	ioLimit   = 60 * time.Second
)

type fleetSettings struct {
	control, folder, prefix string
	keys                    []string
	count                   int
}

// node is a dialling node and what the control server told it of itself: what a gateway must see.
type node struct {
	server   *tsnet.Server
	stableID string
	name     string
	login    string // empty for a tagged node
	tags     []string
	// Its own in the tailnet.
	addresses []netip.Addr
}

func (f fleetSettings) start(ctx context.Context) ([]*node, error) {
	var nodes []*node
	for index := range f.count {
		n, err := f.startOne(ctx, index)
		if err != nil {
			return nil, fmt.Errorf("node %d: %w", index, err)
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func (f fleetSettings) startOne(ctx context.Context, index int) (*node, error) {
	name := fmt.Sprintf("%s%d", f.prefix, index)
	server := &tsnet.Server{
		Dir:        filepath.Join(f.folder, name),
		Hostname:   name,
		AuthKey:    f.keys[index%len(f.keys)],
		ControlURL: f.control,
		UserLogf:   func(string, ...any) {},
	}
	status, err := server.Up(ctx)
	if err != nil {
		return nil, err
	}
	n := &node{
		server:   server,
		stableID: string(status.Self.ID),
		name:     strings.TrimSuffix(status.Self.DNSName, "."),

		addresses: status.TailscaleIPs,
	}
	if tags := status.Self.Tags; tags != nil && tags.Len() > 0 {
		n.tags = tags.AsSlice()
	} else {
		n.login = status.User[status.Self.UserID].LoginName
	}
	print(result{"node": n.name, "stableId": n.stableID, "addresses": status.TailscaleIPs, "login": n.login, "tags": n.tags})
	return n, nil
}

func (n *node) dial(address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	connection, err := n.server.Dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return connection, connection.SetDeadline(time.Now().Add(ioLimit))
}

// with dials, and closes when use is through.
func (n *node) with(address string, use func(net.Conn) error) error {
	connection, err := n.dial(address)
	if err != nil {
		return err
	}
	defer connection.Close()
	return use(connection)
}

// closeWrite sends a FIN and keeps the other direction.
func closeWrite(connection net.Conn) error {
	half, ok := connection.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("a connection without half-close")
	}
	return half.CloseWrite()
}

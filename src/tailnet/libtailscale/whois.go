package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

const (
	// whoIsLimit: the answer comes from this process's own network map.
	whoIsLimit = 10 * time.Second
	// whoIsConnections at most ask at a time. A question takes well below a millisecond, and a burst of callers should
	// not open a pipe for each.
	whoIsConnections = 8
)

// newWhoIsClient speaks with tsnet's in-process LocalAPI. tsnet's own client would do, but its unused connections
// cannot be closed, and each one that is younger than five seconds holds up tsnet's Close.
func (n *node) newWhoIsClient() *http.Client {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		client, err := n.server.LocalClient()
		if err != nil {
			return nil, err
		}
		return client.Dial(ctx, network, address)
	}
	return &http.Client{Transport: &http.Transport{
		DialContext:         dial,
		MaxConnsPerHost:     whoIsConnections,
		MaxIdleConnsPerHost: whoIsConnections,
		DisableCompression:  true,
	}}
}

// whoIs answers nil when the control plane knows nobody at that address. The question is the one that Rust asks again
// while the connection lives (no dst_ip), so that the answers differ only when the policy does.
func (n *node) whoIs(source netip.AddrPort) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(context.Background(), whoIsLimit)
	defer cancel()
	query := url.Values{"addr": {source.String()}, "proto": {"tcp"}}
	address := "http://" + localAPIHost + "/localapi/v0/whois?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := n.whoIsClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("whois: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 2*maxHello))
	switch {
	case err != nil:
		return nil, fmt.Errorf("whois: %w", err)
	case response.StatusCode == http.StatusNotFound:
		return nil, nil
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("whois: %s", response.Status)
	}
	return body, nil
}

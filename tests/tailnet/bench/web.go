package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	webWorkers = 16
	webTime    = 2 * time.Second
)

// web measures each of several ways to the same gateway, in turns and in an order that changes: requests on kept
// connections, requests that each open one, and one large answer. A way is NAME=URL; small is asked for the first two and
// large for the third.
func web(n *node, ways []string, authority, small, large string, rounds int) (result, error) {
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + authority)
	}
	seen := result{}
	for round := range rounds {
		for index := range ways {
			name, url, found := strings.Cut(ways[(index+round)%len(ways)], "=")
			if !found {
				return nil, fmt.Errorf("%q is not NAME=URL", ways[index])
			}
			figures, err := n.measureWeb(roots, url, small, large)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			known, _ := seen[name].([]result)
			seen[name] = append(known, figures)
		}
	}
	return seen, nil
}

func (n *node) measureWeb(roots *x509.CertPool, url, small, large string) (result, error) {
	kept := n.webClient(roots, false)
	defer kept.CloseIdleConnections()
	// The first finds the path.
	if _, err := fetch(kept, url+small); err != nil {
		return nil, err
	}
	requests, err := rate(func() error { _, err := fetch(kept, url+small); return err })
	if err != nil {
		return nil, err
	}
	fresh := n.webClient(roots, true)
	connects, err := rate(func() error { _, err := fetch(fresh, url+small); return err })
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	size, err := fetch(kept, url+large)
	if err != nil {
		return nil, err
	}
	return result{
		"requestsPerSecond": requests, "connectsPerSecond": connects,
		"mbPerSecond": float64(size) / 1e6 / time.Since(begun).Seconds(),
	}, nil
}

// webClient speaks HTTP/1.1 everywhere: a WebSocket needs it, and not every way offers more.
func (n *node) webClient(roots *x509.CertPool, closes bool) *http.Client {
	return &http.Client{Timeout: ioLimit, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return n.server.Dial(ctx, "tcp", address)
		},
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConnsPerHost: webWorkers,
		DisableKeepAlives:   closes,
		DisableCompression:  true,
	}}
}

func fetch(client *http.Client, url string) (int64, error) {
	answer, err := client.Get(url)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s", url, answer.Status)
	}
	return io.CopyBuffer(io.Discard, struct{ io.Reader }{answer.Body}, make([]byte, chunk))
}

// rate is how often a second work is done by all workers.
func rate(work func() error) (float64, error) {
	var done atomic.Int64
	var workers sync.WaitGroup
	failed := make(chan error, webWorkers)
	begun := time.Now()
	for range webWorkers {
		workers.Go(func() {
			for time.Since(begun) < webTime {
				if err := work(); err != nil {
					failed <- err
					return
				}
				done.Add(1)
			}
		})
	}
	workers.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
		return float64(done.Load()) / time.Since(begun).Seconds(), nil
	}
}

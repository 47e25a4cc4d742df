package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/crc32"
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
// connections, requests that each open one, and large answers over one. A way is NAME=URL; small is asked for the first
// two and large for the third. All ways have to answer the same.
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
	asked := webQuestions{small: small, large: large}
	for round := range rounds {
		for index := range ways {
			name, url, found := strings.Cut(ways[(index+round)%len(ways)], "=")
			if !found {
				return nil, fmt.Errorf("%q is not NAME=URL", ways[index])
			}
			figures, err := n.measureWeb(roots, url, &asked)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			known, _ := seen[name].([]result)
			seen[name] = append(known, figures)
		}
	}
	return seen, nil
}

// webQuestions are the paths that are asked for, and what they were answered at first.
type webQuestions struct {
	small, large             string
	smallAnswer, largeAnswer webAnswer
}

func (n *node) measureWeb(roots *x509.CertPool, url string, asked *webQuestions) (result, error) {
	kept, fresh := n.webClient(roots, false), n.webClient(roots, true)
	defer kept.CloseIdleConnections()
	askSmall := func(client *http.Client) error {
		answer, err := fetch(client, url+asked.small)
		if err == nil {
			err = answer.isAs(&asked.smallAnswer)
		}
		return err
	}
	// The first finds the path.
	if err := askSmall(kept); err != nil {
		return nil, err
	}
	requests, err := rate(func() error { return askSmall(kept) })
	if err != nil {
		return nil, err
	}
	connects, err := rate(func() error { return askSmall(fresh) })
	if err != nil {
		return nil, err
	}
	var bytes, seconds float64
	var spoken string
	for begun := time.Now(); time.Since(begun) < webTime; {
		answer, err := fetch(kept, url+asked.large)
		if err == nil {
			err = answer.isAs(&asked.largeAnswer)
		}
		if err != nil {
			return nil, err
		}
		bytes, seconds, spoken = bytes+float64(answer.size), seconds+answer.took.Seconds(), answer.spoken
	}
	return result{
		"requestsPerSecond": requests, "connectsPerSecond": connects, "mbPerSecond": bytes / 1e6 / seconds,
		"smallBytes": asked.smallAnswer.size, "largeBytes": asked.largeAnswer.size, "spoken": spoken,
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

// webAnswer is what is kept of an answer.
type webAnswer struct {
	size     int64
	checksum uint32
	// From its headers to its end: how long the back end looked for it is not the way's.
	took time.Duration
	// The protocols that carried it.
	spoken string
}

// isAs compares the content with that of the first, which it becomes where there was none. Only the first of all is asked
// for alone.
func (a webAnswer) isAs(first *webAnswer) error {
	if first.size == 0 {
		*first = a
	}
	if a.size == 0 || a.size != first.size || a.checksum != first.checksum {
		return fmt.Errorf("other content: %d bytes of checksum %x, at first %d of %x", a.size, a.checksum, first.size, first.checksum)
	}
	return nil
}

var checksums = crc32.MakeTable(crc32.Castagnoli)

func fetch(client *http.Client, url string) (webAnswer, error) {
	answer, err := client.Get(url)
	if err != nil {
		return webAnswer{}, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Encoding") != "" {
		return webAnswer{}, fmt.Errorf("%s: %s, encoding %q", url, answer.Status, answer.Header.Get("Content-Encoding"))
	}
	begun := time.Now()
	sum := crc32.New(checksums)
	buffer := buffers.Get().(*[chunk]byte)
	defer buffers.Put(buffer)
	size, err := io.CopyBuffer(sum, struct{ io.Reader }{answer.Body}, buffer[:])
	spoken := fmt.Sprintf("%s, %s, %s, %s", answer.Proto, tls.VersionName(answer.TLS.Version),
		tls.CipherSuiteName(answer.TLS.CipherSuite), answer.TLS.CurveID)
	return webAnswer{size: size, checksum: sum.Sum32(), took: time.Since(begun), spoken: spoken}, err
}

var buffers = sync.Pool{New: func() any { return new([chunk]byte) }}

// rate is how often a second work is done by all workers. What ends too late does not count, nor does the wait for it.
func rate(work func() error) (float64, error) {
	var done atomic.Int64
	var workers sync.WaitGroup
	failed := make(chan error, webWorkers)
	begun := time.Now()
	for range webWorkers {
		workers.Go(func() {
			for {
				if err := work(); err != nil {
					failed <- err
					return
				}
				if time.Since(begun) >= webTime {
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
		return float64(done.Load()) / webTime.Seconds(), nil
	}
}

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// whoAmI is the part of the answer that names the caller.
type whoAmI struct {
	Path     string   `json:"path"`
	Login    *string  `json:"login"`
	Node     string   `json:"node"`
	StableID string   `json:"stableId"`
	Tags     []string `json:"tags"`
}

// identity opens one connection for each question: what is tested is the identity that is bound to a connection.
func identity(nodes []*node, target string, count, burst int) (result, error) {
	var mu sync.Mutex
	var durations []time.Duration
	var problems []string
	begun := time.Now()
	inBursts(count, burst, func(index int) {
		n := nodes[index%len(nodes)]
		asked := time.Now()
		err := askWhoAmI(n, target)
		mu.Lock()
		defer mu.Unlock()
		durations = append(durations, time.Since(asked))
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", n.name, err))
		}
	})
	outcome := quantiles(durations)
	outcome["connections"], outcome["nodes"], outcome["wrong"] = count, len(nodes), len(problems)
	outcome["seconds"] = time.Since(begun).Seconds()
	if len(problems) > 0 {
		return nil, fmt.Errorf("%d of %d: %v", len(problems), count, problems[:min(len(problems), 5)])
	}
	return outcome, nil
}

func askWhoAmI(n *node, target string) error {
	connection, err := n.dial(target)
	if err != nil {
		return err
	}
	defer connection.Close()
	if _, err := fmt.Fprintf(connection, "GET /whoami HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n\r\n", target); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return err
	}
	var answer whoAmI
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("%w: %q", err, body)
	}
	if !answer.names(n) {
		return fmt.Errorf("taken for somebody else: %s", body)
	}
	return nil
}

func (a whoAmI) names(n *node) bool {
	login := ""
	if a.Login != nil {
		login = *a.Login
	}
	return a.Path == "tailnet" && a.StableID == n.stableID && a.Node == n.name && login == n.login && slices.Equal(a.Tags, n.tags)
}

// reset connects and closes with the answer unread, which makes the stack send a reset; every other one at once.
func reset(nodes []*node, target string, count, burst int) (result, error) {
	var failed atomic.Int64
	inBursts(count, burst, func(index int) {
		connection, err := nodes[index%len(nodes)].dial(target + ":80")
		if err != nil {
			failed.Add(1)
			return
		}
		_, _ = io.WriteString(connection, "GET /whoami HTTP/1.1\r\nHost: bench\r\n\r\n")
		if index%2 == 0 {
			time.Sleep(30 * time.Millisecond) // the answer arrives and stays unread
		}
		_ = connection.Close()
	})
	return result{"connections": count, "failedDials": failed.Load()}, nil
}

func inBursts(count, burst int, do func(index int)) {
	for first := 0; first < count; first += burst {
		var group sync.WaitGroup
		for index := first; index < min(first+burst, count); index++ {
			group.Go(func() { do(index) })
		}
		group.Wait()
	}
}

func quantiles(durations []time.Duration) result {
	if len(durations) == 0 {
		return result{}
	}
	slices.Sort(durations)
	at := func(share int) float64 {
		return float64(durations[min(len(durations)*share/100, len(durations)-1)].Microseconds())
	}
	return result{"p50Us": at(50), "p99Us": at(99), "maxUs": at(100)}
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// mixedSettings are those of the long run: see mixed.
type mixedSettings struct {
	count, workers int
	// churn: after so many connections one of the nodes leaves for good, and a new one joins in its place.
	churn int
}

// slot is a node's place in the fleet. Whoever dials holds it for reading, so that nobody's node goes under them.
type slot struct {
	mu   sync.RWMutex
	node *node
}

// tally is what became of the connections so far.
type tally struct {
	asked, right, wrong, failed, reset, refused, joined atomic.Int64

	mu       sync.Mutex
	problems []string
	// roles by whom the gateway gave them, both as it said.
	roles map[string]map[string]int
}

func (t *tally) heard(answer *mixedAnswer) {
	who, role := strings.Join(answer.Tags, ","), "none"
	if answer.Login != nil {
		who = *answer.Login
	}
	if answer.Role != nil {
		role = *answer.Role
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.roles[who] == nil {
		t.roles[who] = map[string]int{}
	}
	t.roles[who][role]++
}

func (t *tally) complain(kind *atomic.Int64, problem string) {
	kind.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.problems) < 20 {
		t.problems = append(t.problems, problem)
	}
}

// errWrong: the gateway took the caller for somebody else. The one thing that must never happen.
var errWrong = errors.New("taken for somebody else")

// mixed makes count connections from all the nodes at once, one question over each, and compares every answer with what
// the node knows of itself: stable id, name, login or tags, source address. On the way some callers reset their
// connection, some dawdle, some claim in headers or in a PROXY header to be another node, and nodes leave and join.
//
// A connection that fails is counted and is no wrong answer; more than one in a hundred of them fails the run, because
// then it shows nothing.
func (f *fleetSettings) mixed(nodes []*node, target string, settings mixedSettings) (result, error) {
	slots := make([]*slot, len(nodes))
	for index, n := range nodes {
		slots[index] = &slot{node: n}
	}
	sum := tally{roles: map[string]map[string]int{}}
	begun := time.Now()
	stop := make(chan struct{})
	go sum.report(begun, settings.count, stop)
	var next atomic.Int64
	var group sync.WaitGroup
	for range settings.workers {
		group.Go(func() {
			for {
				index := int(next.Add(1)) - 1
				if index >= settings.count {
					return
				}
				if settings.churn > 0 && index > 0 && index%settings.churn == 0 {
					f.replace(slots, index/settings.churn, &sum)
				}
				sum.ask(slots, index, target)
			}
		})
	}
	group.Wait()
	close(stop)
	outcome := sum.outcome(begun)
	outcome["nodes"], outcome["roles"] = len(nodes), sum.roles
	if len(sum.problems) > 0 {
		outcome["problems"] = sum.problems
	}
	if sum.wrong.Load() > 0 || sum.failed.Load()*100 > int64(settings.count) {
		print(outcome)
		return nil, fmt.Errorf("%d wrong, %d failed", sum.wrong.Load(), sum.failed.Load())
	}
	return outcome, nil
}

// replace closes a node for good and starts another in its place.
func (f *fleetSettings) replace(slots []*slot, round int, sum *tally) {
	place := slots[round%len(slots)]
	place.mu.Lock()
	defer place.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// The control server forgets an ephemeral node, and may give its address to somebody else.
	if client, err := place.node.server.LocalClient(); err == nil {
		_ = client.Logout(ctx)
	}
	_ = place.node.server.Close()
	fresh, err := f.startOne(ctx, len(slots)*round+round%len(slots))
	if err != nil {
		sum.complain(&sum.failed, fmt.Sprintf("a new node does not join: %v", err))
		return
	}
	place.node = fresh
	sum.joined.Add(1)
}

func (t *tally) ask(slots []*slot, index int, target string) {
	place := slots[index%len(slots)]
	place.mu.RLock()
	defer place.mu.RUnlock()
	// Somebody else's address, to claim.
	n, other := place.node, slots[(index+1)%len(slots)].node
	t.asked.Add(1)
	// Not a divisor of the number of nodes, so that every node does everything.
	kind := callKind(index / len(slots) % 13)
	answer, err := n.call(target, kind, other)
	switch {
	case errors.Is(err, errReset):
		t.reset.Add(1)
	case errors.Is(err, errRefused) && kind == callProxy:
		t.refused.Add(1)
	case err != nil:
		t.complain(&t.failed, fmt.Sprintf("%s: %v", n.name, err))
	case !answer.isExactly(n):
		said, _ := json.Marshal(answer)
		t.complain(&t.wrong, fmt.Sprintf("%s: %v: %s", n.name, errWrong, said))
	default:
		t.right.Add(1)
		t.heard(answer)
	}
}

// callKind says how a caller behaves; what is not named is plain.
type callKind int

const (
	callReset callKind = iota
	callSlow
	callForged
	callProxy
)

var (
	errReset   = errors.New("reset by ourselves")
	errRefused = errors.New("not answered")
)

func (n *node) call(target string, kind callKind, other *node) (*mixedAnswer, error) {
	connection, err := n.dial(target)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	request := fmt.Sprintf("GET /whoami HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", target)
	switch kind {
	case callReset:
		_, _ = io.WriteString(connection, request+"\r\n")
		// Closed with the answer unread, or on its way.
		return nil, errReset
	case callSlow:
		for _, piece := range []string{request[:5], request[5:20], request[20:] + "\r\n"} {
			if _, err := io.WriteString(connection, piece); err != nil {
				return nil, err
			}
			time.Sleep(3 * time.Millisecond)
		}
	case callForged:
		_, err = io.WriteString(connection, request+forgedHeaders(other)+"\r\n")
	case callProxy:
		_, err = io.WriteString(connection, proxyHeader(other)+request+"\r\n")
	default:
		_, err = io.WriteString(connection, request+"\r\n")
	}
	if err != nil {
		return nil, err
	}
	return readAnswer(connection)
}

func readAnswer(connection net.Conn) (*mixedAnswer, error) {
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", errRefused, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %s", errRefused, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	var answer mixedAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("%w: %q", err, body)
	}
	return &answer, nil
}

func forgedHeaders(other *node) string {
	lines := []string{
		"Tailscale-User-Login: " + other.login, "Tailscale-User-Name: " + other.login,
		`Tailscale-App-Capabilities: {"tailclaw.dev/cap/gateway":[{"scopes":["operator.admin"]}]}`,
		"X-Forwarded-For: " + other.addresses[0].String(), "Forwarded: for=" + other.addresses[0].String(),
		"X-Real-IP: " + other.addresses[0].String(), "X-Webauth-User: " + other.login,
	}
	return strings.Join(lines, "\r\n") + "\r\n"
}

func proxyHeader(other *node) string {
	return fmt.Sprintf("PROXY TCP4 %s 100.64.0.1 4000 80\r\n", other.addresses[0])
}

// mixedAnswer is what the gateway says of the caller.
type mixedAnswer struct {
	whoAmI
	Address netip.Addr `json:"address"`
	// Nil when nothing is allowed.
	Role *string `json:"role"`
}

func (a *mixedAnswer) isExactly(n *node) bool {
	return a.names(n) && slices.Contains(n.addresses, a.Address)
}

func (t *tally) outcome(begun time.Time) result {
	seconds := time.Since(begun).Seconds()
	return result{
		"connections": t.asked.Load(), "right": t.right.Load(), "wrong": t.wrong.Load(), "failed": t.failed.Load(),
		"reset": t.reset.Load(), "refused": t.refused.Load(), "rejoined": t.joined.Load(),
		"seconds": int(seconds), "perSecond": int(float64(t.asked.Load()) / seconds),
	}
}

// report tells how far a long run is.
func (t *tally) report(begun time.Time, count int, stop <-chan struct{}) {
	ticker := time.NewTicker(30 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			line := t.outcome(begun)
			line["of"] = count
			print(line)
		}
	}
}

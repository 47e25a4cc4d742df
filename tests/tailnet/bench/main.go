// Command tsclient loads a tailnet node from the other side of the tailnet: tsnet nodes of its own, in one process.
// It prints one JSON object a line, and exits with 1 when something was wrong.
//
//	tsclient [node flags] identity HOST:PORT  every connection's GET /whoami must name the node that dialled
//	tsclient [node flags] mixed HOST:PORT     the same for the long run: callers of every kind, and nodes that come and go
//	tsclient [node flags] idle HOST:PORT      holds connections that say nothing
//	tsclient [node flags] sockets HOST:PORT   the same with WebSockets that the gateway has let in
//	tsclient [node flags] sink|source|ping|halfclose|reset HOST
//	tsclient [node flags] web NAME=URL...     several ways to the same gateway over HTTPS
//	tsclient [node flags] serve               echo, sink and source in plain Go, to compare with
//
// The plain services have the ports of benches/tailnet_echo.rs: 7 echo, 9 sink, 14 half-close, 19 source, 80 whoami.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"tailscale.com/envknob"
)

func init() { envknob.SetNoLogsNoSupport() }

// result is one printed line.
type result map[string]any

func main() {
	log.SetFlags(0)
	var fleet fleetSettings
	flag.StringVar(&fleet.control, "control", "", "control server's `URL`")
	flag.StringVar(&fleet.folder, "dir", "", "`folder` for the nodes' states")
	flag.StringVar(&fleet.prefix, "prefix", "bench", "of the nodes' names")
	flag.IntVar(&fleet.count, "nodes", 1, "`number` of nodes")
	keys := flag.String("keys", "", "auth `keys`, separated by commas, that the nodes take in turn")
	count := flag.Int("count", 1000, "connections, resets or pings")
	burst := flag.Int("burst", 100, "connections at a time")
	churn := flag.Int("churn", 0, "of mixed: connections after which one node is replaced")
	megabytes := flag.Int("mb", 200, "`size` of a stream")
	authority := flag.String("ca", "", "`file` with the certificate of the authority that web trusts")
	small := flag.String("small", "/healthz", "`path` of a small answer, for web")
	large := flag.String("large", "/", "`path` of a large answer, for web")
	rounds := flag.Int("rounds", 5, "`number` of turns, for web")
	hold := flag.Duration("hold", time.Minute, "how long to stay idle")
	flag.Parse()
	fleet.keys = strings.Split(*keys, ",")
	if flag.NArg() < 1 {
		flag.Usage()
		os.Exit(2)
	}

	nodes, err := fleet.start(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	target := flag.Arg(1)
	commands := map[string]func() (result, error){
		"identity": func() (result, error) { return identity(nodes, target, *count, *burst) },
		"mixed": func() (result, error) {
			return fleet.mixed(nodes, target, mixedSettings{count: *count, workers: *burst, churn: *churn})
		},
		"idle":      func() (result, error) { return idle(nodes, target, *count, *hold) },
		"sockets":   func() (result, error) { return sockets(nodes, target, *count, *hold) },
		"sink":      func() (result, error) { return sink(nodes[0], target, *megabytes<<20) },
		"source":    func() (result, error) { return source(nodes[0], target, *megabytes<<20) },
		"ping":      func() (result, error) { return ping(nodes[0], target, *count) },
		"halfclose": func() (result, error) { return halfClose(nodes[0], target) },
		"reset":     func() (result, error) { return reset(nodes, target, *count, *burst) },
		"serve":     func() (result, error) { return serve(nodes[0]) },
		"web": func() (result, error) {
			return web(nodes[0], flag.Args()[1:], *authority, *small, *large, *rounds)
		},
	}
	for name := range strings.SplitSeq(flag.Arg(0), ",") {
		run, known := commands[name]
		if !known {
			log.Fatalf("unknown command %q", name)
		}
		outcome, err := run()
		if err != nil {
			print(result{"command": name, "target": target, "error": err.Error()})
			os.Exit(1)
		}
		outcome["command"], outcome["target"] = name, target
		print(outcome)
	}
}

func print(line result) {
	text, err := json.Marshal(line)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
}

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"
)

// admin is what an administrator, a policy change or the passing of time would do to the tailnet.
type admin struct {
	server *testcontrol.Server

	mu sync.Mutex
	// texts are the DNS records that nodes asked for, by name: how they prove a name to a certificate authority.
	texts map[string][]string
}

func (a *admin) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /nodes", a.nodes)
	mux.HandleFunc("POST /node", a.changeNode)
	mux.HandleFunc("POST /grants", a.grant)
	mux.HandleFunc("POST /expire-all", a.expireAll)
	mux.HandleFunc("POST /complete-login", a.completeLogin)
	mux.HandleFunc("POST /approve", a.approve)
	mux.HandleFunc("POST /clock", a.tellTime)
	mux.HandleFunc("GET /texts", a.showTexts)
	return mux
}

func (a *admin) setDNS(request *tailcfg.SetDNSRequest) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.texts[request.Name] = append(a.texts[request.Name], request.Value)
	if *dns == "" {
		return nil
	}
	record, err := json.Marshal(map[string]string{"host": request.Name + ".", "value": request.Value})
	if err != nil {
		return err
	}
	answer, err := http.Post(*dns+"/set-txt", "application/json", bytes.NewReader(record))
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

func (a *admin) showTexts(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	reply(w, a.texts)
}

type nodeView struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Addresses []string  `json:"addresses"`
	Tags      []string  `json:"tags"`
	User      int64     `json:"user"`
	KeyExpiry time.Time `json:"keyExpiry"`
	Approved  bool      `json:"approved"`
}

func (a *admin) nodes(w http.ResponseWriter, _ *http.Request) {
	views := []nodeView{}
	for _, node := range a.server.AllNodes() {
		view := nodeView{
			ID: string(node.StableID), Name: node.Name, Tags: node.Tags, User: int64(node.User),
			KeyExpiry: node.KeyExpiry, Approved: node.MachineAuthorized,
		}
		for _, prefix := range node.Addresses {
			view.Addresses = append(view.Addresses, prefix.Addr().String())
		}
		views = append(views, view)
	}
	reply(w, views)
}

// changeNode takes {"node":NAME,"tags":[…],"user":2,"keyExpiry":"RFC 3339","attributes":{…}}; what is absent stays.
// attributes replace all that the node had.
func (a *admin) changeNode(w http.ResponseWriter, r *http.Request) {
	var change struct {
		Node       string              `json:"node"`
		Tags       *[]string           `json:"tags"`
		User       *int64              `json:"user"`
		KeyExpiry  *time.Time          `json:"keyExpiry"`
		Attributes *tailcfg.NodeCapMap `json:"attributes"`
	}
	node := a.asked(w, r, &change, func() string { return change.Node })
	if node == nil {
		return
	}
	if change.Tags != nil {
		node.Tags = *change.Tags
	}
	if change.User != nil {
		node.User = tailcfg.UserID(*change.User)
	}
	if change.KeyExpiry != nil {
		node.KeyExpiry = *change.KeyExpiry
	}
	a.server.UpdateNode(node)
	if change.Attributes != nil {
		a.server.SetNodeCapMap(node.Key, *change.Attributes)
	}
	reply(w, "ok")
}

// grant takes {"example.com/cap/x":[{…}]}: what every node is granted on every other. null takes all back.
func (a *admin) grant(w http.ResponseWriter, r *http.Request) {
	var grants tailcfg.PeerCapMap
	if err := json.NewDecoder(r.Body).Decode(&grants); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.server.SetGlobalAppCaps(grants)
	reply(w, "ok")
}

// expireAll takes {"expired":true}, and with false makes all keys valid again.
func (a *admin) expireAll(w http.ResponseWriter, r *http.Request) {
	var wish struct {
		Expired bool `json:"expired"`
	}
	if err := json.NewDecoder(r.Body).Decode(&wish); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.server.SetExpireAllNodes(wish.Expired)
	reply(w, "ok")
}

// completeLogin takes {"url":…}, the login link: a person has opened it and logged in.
func (a *admin) completeLogin(w http.ResponseWriter, r *http.Request) {
	var link struct {
		URL string `json:"url"`
	}
	if err := json.NewDecoder(r.Body).Decode(&link); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.beginLogins()
	reply(w, a.server.CompleteAuth(link.URL))
}

// beginLogins gives the keys that wait for a person the time that a new login has. testcontrol would let them take the
// end of the old key over.
func (a *admin) beginLogins() {
	for _, node := range a.server.AllNodes() {
		if _, used := told.Load(node.Key); !used && node.KeyExpiry.Before(time.Now()) {
			node.KeyExpiry = time.Now().Add(180 * 24 * time.Hour)
			a.server.UpdateNode(node)
		}
	}
}

// approve takes {"node":NAME}.
func (a *admin) approve(w http.ResponseWriter, r *http.Request) {
	var wish struct {
		Node string `json:"node"`
	}
	if node := a.asked(w, r, &wish, func() string { return wish.Node }); node != nil {
		url := a.server.BaseURL()
		reply(w, a.server.CompleteDeviceApproval(url, url+"/admin", &node.Key))
	}
}

// tellTime takes {"node":NAME,"aheadSeconds":86400}: the node is told a time that far from this machine's. testcontrol
// then sends it nothing more by itself.
func (a *admin) tellTime(w http.ResponseWriter, r *http.Request) {
	var wish struct {
		Node         string `json:"node"`
		AheadSeconds int64  `json:"aheadSeconds"`
	}
	if node := a.asked(w, r, &wish, func() string { return wish.Node }); node != nil {
		now := time.Now().Add(time.Duration(wish.AheadSeconds) * time.Second)
		reply(w, a.server.AddRawMapResponse(node.Key, &tailcfg.MapResponse{ControlTime: &now}))
	}
}

// asked reads a request and finds the node it is about, by stable id, host name or address; nil once it has answered.
func (a *admin) asked(w http.ResponseWriter, r *http.Request, into any, name func() string) *tailcfg.Node {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil
	}
	for _, node := range a.server.AllNodes() {
		host, _, _ := strings.Cut(node.Name, ".")
		if string(node.StableID) == name() || host == name() || node.Addresses[0].Addr().String() == name() {
			return node
		}
	}
	http.Error(w, "no such node: "+name(), http.StatusNotFound)
	return nil
}

func reply(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

package main

import (
	"encoding/json"
	"flag"
	"log"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"os"
	"sync"
	"time"
)

// The yardstick: power of two choices on peak-EWMA cost, as Finagle's PeakEwma load metric has it
// (com.twitter.finagle.loadbalancer.PeakEwma, the default of linkerd too). For each server:
//
//	cost:  moving average of the response time that goes up to a peak at once and decays with time constant tau:
//	       an observation r after the time d makes it r if r > cost, else cost*w + r*(1-w), with w = exp(-d/tau);
//	       looking at it counts as an observation of 0;
//	load:  cost * (requests under way + 1); one without a history, but with a request under way, counts as very
//	       loaded, so that a new server gets one request at first.
//
// Of two servers picked at random the one with the lower load gets the request. There are no checks, no retries
// and no judgement of status codes, as in the original, where failure accrual is a module of its own.
const (
	decay = 10 * time.Second
	// unknown is the load of a server whose only requests have not been answered yet.
	unknown = math.MaxFloat64 / 2
)

type member struct {
	host    string
	lock    sync.Mutex
	cost    float64 // nanoseconds
	stamp   time.Time
	pending int
}

func (m *member) observe(took time.Duration, now time.Time) {
	w := math.Exp(-float64(max(now.Sub(m.stamp), 0)) / float64(decay))
	m.cost = max(float64(took), m.cost*w+float64(took)*(1-w))
	m.stamp = now
}

func (m *member) load(now time.Time) float64 {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.observe(0, now)
	if m.cost == 0 && m.pending != 0 {
		return unknown + float64(m.pending)
	}
	return m.cost * float64(m.pending+1)
}

func (m *member) begin() {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.pending++
}

func (m *member) end(took time.Duration, now time.Time) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.pending--
	m.observe(took, now)
}

// pool is the members that may be picked.
type pool struct {
	lock    sync.RWMutex
	members []*member
	below   http.RoundTripper
}

// RoundTrip sends a request to the less loaded of two members.
func (p *pool) RoundTrip(request *http.Request) (*http.Response, error) {
	picked := p.pick()
	request.URL.Host = picked.host
	picked.begin()
	begin := time.Now()
	answer, err := p.below.RoundTrip(request)
	now := time.Now()
	picked.end(now.Sub(begin), now)
	return answer, err
}

func (p *pool) pick() *member {
	p.lock.RLock()
	defer p.lock.RUnlock()
	if len(p.members) == 1 {
		return p.members[0]
	}
	first := rand.IntN(len(p.members))
	second := (first + 1 + rand.IntN(len(p.members)-1)) % len(p.members)
	now := time.Now()
	if p.members[second].load(now) < p.members[first].load(now) {
		return p.members[second]
	}
	return p.members[first]
}

// set replaces the members; those that stay keep their history.
func (p *pool) set(hosts []string) {
	p.lock.Lock()
	defer p.lock.Unlock()
	known := map[string]*member{}
	for _, m := range p.members {
		known[m.host] = m
	}
	p.members = nil
	for _, host := range hosts {
		if known[host] == nil {
			known[host] = &member{host: host, stamp: time.Now()}
		}
		p.members = append(p.members, known[host])
	}
}

func runPeakEwma(arguments []string) error {
	flags := flag.NewFlagSet("peakewma", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:8080", "address of the proxy")
	control := flags.String("control", "127.0.0.1:8081", "address of the control endpoint: POST a JSON list of host:port")
	_ = flags.Parse(arguments)

	p := &pool{below: &http.Transport{MaxIdleConnsPerHost: 4096, DisableCompression: true}}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(request *httputil.ProxyRequest) { request.Out.URL.Scheme = "http" },
		Transport: p,
		ErrorLog:  log.New(os.Stderr, "peakewma: ", 0),
	}
	return serve(*listen, p.guard(proxy), *control, p.control())
}

// guard answers 503 while there is no member.
func (p *pool) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		p.lock.RLock()
		empty := len(p.members) == 0
		p.lock.RUnlock()
		if empty {
			http.Error(writer, "no member", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(writer, request)
	})
}

func (p *pool) control() http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		var hosts []string
		if err := json.NewDecoder(request.Body).Decode(&hosts); err != nil || len(hosts) == 0 {
			http.Error(writer, "a JSON list of host:port is needed", http.StatusBadRequest)
			return
		}
		p.set(hosts)
	})
}

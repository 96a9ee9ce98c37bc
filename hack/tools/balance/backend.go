package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Faults is what the control endpoint of a backend is told: POST /faults. A field that is left out means "no
// such fault", so {} mends everything except a stuck time that has begun, which ends by itself.
type Faults struct {
	// Slow multiplies all work; 0 means 1.
	Slow float64 `json:"slow"`
	// Fail answers 500 at once; checks stay good, as those of a service that lost its database would.
	Fail bool `json:"fail"`
	// StuckSeconds holds all requests, checks and those that are at work as well, for this time from now on.
	StuckSeconds float64 `json:"stuckSeconds"`
	// ColdSeconds is how long from now on work takes longer: ColdFactor times at first, falling steadily to once.
	ColdSeconds float64 `json:"coldSeconds"`
	ColdFactor  float64 `json:"coldFactor"`
}

// Busy is what the control endpoint tells: GET /busy.
type Busy struct {
	// Seconds of work done, summed over all slots.
	Seconds  float64 `json:"seconds"`
	Capacity int     `json:"capacity"`
	// Requests that were taken, without checks.
	Requests int64 `json:"requests"`
}

// backend works on at most cap(slots) requests at a time; more wait, first come, first served.
type backend struct {
	slots    chan struct{}
	busy     atomic.Int64 // nanoseconds
	requests atomic.Int64

	lock   sync.Mutex
	faults Faults
	since  time.Time     // of the faults
	thawed chan struct{} // closed while not stuck
}

func runBackend(arguments []string) error {
	flags := flag.NewFlagSet("backend", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:8080", "address of the service")
	control := flags.String("control", "127.0.0.1:8081", "address of the control endpoint")
	capacity := flags.Int("capacity", 4, "requests at work at the same time")
	_ = flags.Parse(arguments)

	b := newBackend(*capacity)
	return serve(*listen, b, *control, b.control())
}

func newBackend(capacity int) *backend {
	thawed := make(chan struct{})
	close(thawed)
	return &backend{slots: make(chan struct{}, capacity), since: time.Now(), thawed: thawed}
}

// ServeHTTP answers a request, or a check, which is a request without work.
func (b *backend) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	begin := time.Now()
	if !b.awaitThaw(request.Context()) {
		return
	}
	given := request.Header.Get(workHeader)
	if given == "" {
		_, _ = io.WriteString(writer, "ready\n")
		return
	}
	micros, err := strconv.Atoi(given)
	if err != nil {
		http.Error(writer, err.Error(), http.StatusBadRequest)
		return
	}
	b.requests.Add(1)
	status := http.StatusInternalServerError
	if !b.fails() {
		if !b.work(request.Context(), time.Duration(micros)*time.Microsecond) {
			return
		}
		status = http.StatusOK
	}
	writer.Header().Set(spentHeader, strconv.FormatInt(time.Since(begin).Microseconds(), 10))
	writer.WriteHeader(status)
	_, _ = io.WriteString(writer, "done\n")
}

// work takes a slot and holds it for the time of the work, as long as someone waits for it.
func (b *backend) work(ctx context.Context, needed time.Duration) bool {
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	defer func() { <-b.slots }()
	if !b.awaitThaw(ctx) {
		return false
	}
	needed = time.Duration(float64(needed) * b.slowness())
	timer := time.NewTimer(needed)
	defer timer.Stop()
	select {
	case <-timer.C:
		b.busy.Add(int64(needed))
	case <-ctx.Done():
		return false
	}
	return b.awaitThaw(ctx)
}

func (b *backend) awaitThaw(ctx context.Context) bool {
	b.lock.Lock()
	thawed := b.thawed
	b.lock.Unlock()
	select {
	case <-thawed:
		return true
	case <-ctx.Done():
		return false
	}
}

func (b *backend) fails() bool {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.faults.Fail
}

// slowness is the factor by which work takes longer now.
func (b *backend) slowness() float64 {
	b.lock.Lock()
	defer b.lock.Unlock()
	factor := max(b.faults.Slow, 1)
	if left := b.faults.ColdSeconds - time.Since(b.since).Seconds(); left > 0 {
		factor *= 1 + (b.faults.ColdFactor-1)*left/b.faults.ColdSeconds
	}
	return factor
}

func (b *backend) set(faults Faults) {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.faults, b.since = faults, time.Now()
	if faults.StuckSeconds > 0 {
		thawed := make(chan struct{})
		b.thawed = thawed
		time.AfterFunc(time.Duration(faults.StuckSeconds*float64(time.Second)), func() { close(thawed) })
	}
}

func (b *backend) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /faults", func(writer http.ResponseWriter, request *http.Request) {
		var faults Faults
		if err := json.NewDecoder(request.Body).Decode(&faults); err != nil {
			http.Error(writer, err.Error(), http.StatusBadRequest)
			return
		}
		b.set(faults)
	})
	mux.HandleFunc("GET /busy", func(writer http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(writer).Encode(Busy{
			Seconds:  time.Duration(b.busy.Load()).Seconds(),
			Capacity: cap(b.slots),
			Requests: b.requests.Load(),
		})
	})
	return mux
}

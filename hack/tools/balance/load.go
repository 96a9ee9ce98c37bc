package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// arrival is one request of the load: when it is due, from the beginning on, and the work it brings.
type arrival struct {
	at   time.Duration
	work time.Duration
}

// outcome is what became of an arrival. Its latency counts from the time it was due, not from the time it was
// sent: a load that falls behind must not hide what a client would have waited (coordinated omission).
type outcome struct {
	arrival
	lag     time.Duration // from due to sent
	latency time.Duration // from due to the end of the answer
	spent   time.Duration // of the latency, in the backend
	status  int           // 0: no answer
}

// loadFlags are the flags of `balance load`.
type loadFlags struct {
	targets  []string
	seed     uint64
	rate     float64
	duration time.Duration
	mean     time.Duration
	sigma    float64
	goodIn   time.Duration
	timeout  time.Duration
}

func runLoad(arguments []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	targets := flags.String("targets", "http://127.0.0.1:8080/", "URLs, taken in turns, separated by commas")
	var f loadFlags
	flags.Uint64Var(&f.seed, "seed", 1, "of arrivals and work: the same seed gives the same")
	flags.Float64Var(&f.rate, "rate", 100, "requests a second: Poisson arrivals")
	flags.DurationVar(&f.duration, "duration", 30*time.Second, "from the first arrival to the last")
	flags.DurationVar(&f.mean, "work", 50*time.Millisecond, "mean of the lognormal work of a request")
	flags.Float64Var(&f.sigma, "sigma", 0.5, "standard deviation of the logarithm of the work")
	flags.DurationVar(&f.goodIn, "good", time.Second, "an answer with status 200 within this time is good")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Second, "when a request is given up")
	_ = flags.Parse(arguments)
	f.targets = strings.Split(*targets, ",")

	fmt.Printf("{\"begin\": %.6f}\n", float64(time.Now().UnixMicro())/1e6)
	return json.NewEncoder(os.Stdout).Encode(summarise(play(f), f))
}

// arrivals draws the whole load beforehand.
func arrivals(f loadFlags) []arrival {
	numbers := rand.New(rand.NewPCG(f.seed, 0))
	// The mean of a lognormal is exp(mu + sigma²/2).
	mu := math.Log(float64(f.mean)) - f.sigma*f.sigma/2
	var drawn []arrival
	for at := 0.0; ; {
		at += numbers.ExpFloat64() / f.rate
		due := time.Duration(at * float64(time.Second))
		if due >= f.duration {
			return drawn
		}
		work := time.Duration(math.Exp(mu + f.sigma*numbers.NormFloat64()))
		drawn = append(drawn, arrival{due, work})
	}
}

// play sends each request when it is due, whatever became of the earlier ones.
func play(f loadFlags) []outcome {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4096, DisableCompression: true}}
	drawn := arrivals(f)
	outcomes := make([]outcome, len(drawn))
	var running sync.WaitGroup
	begin := time.Now()
	for number, next := range drawn {
		time.Sleep(time.Until(begin.Add(next.at)))
		running.Go(func() {
			outcomes[number] = send(client, f.targets[number%len(f.targets)], next, begin, f.timeout)
		})
	}
	running.Wait()
	return outcomes
}

func send(client *http.Client, target string, next arrival, begin time.Time, timeout time.Duration) outcome {
	due := begin.Add(next.at)
	done := outcome{arrival: next, lag: time.Since(due)}
	ctx, cancel := context.WithDeadline(context.Background(), due.Add(timeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err == nil {
		request.Header.Set(workHeader, strconv.FormatInt(next.work.Microseconds(), 10))
		var answer *http.Response
		if answer, err = client.Do(request); err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
			if err == nil {
				done.status = answer.StatusCode
				micros, _ := strconv.Atoi(answer.Header.Get(spentHeader))
				done.spent = time.Duration(micros) * time.Microsecond
			}
		}
	}
	done.latency = time.Since(due)
	return done
}

// Summary is the result of a load. Times are in milliseconds. A request that was not answered with 200 counts in
// the percentiles as if it had taken the timeout: an error is not a fast answer.
type Summary struct {
	Requests int            `json:"requests"`
	Good     int            `json:"good"`
	Statuses map[string]int `json:"statuses"`
	P50      float64        `json:"p50"`
	P90      float64        `json:"p90"`
	P99      float64        `json:"p99"`
	P999     float64        `json:"p999"`
	// AddedP50 and AddedP99 are of the time outside the backend, over the requests answered with 200.
	AddedP50 float64 `json:"addedP50"`
	AddedP99 float64 `json:"addedP99"`
	// LagP99 and LagMax tell how late the load itself was.
	LagP99 float64 `json:"lagP99"`
	LagMax float64 `json:"lagMax"`
	// Series has the seconds of the load by the time the requests were due.
	Series []Second `json:"series"`
}

// Second is one of the load.
type Second struct {
	Requests int     `json:"requests"`
	Good     int     `json:"good"`
	P99      float64 `json:"p99"`
}

func summarise(outcomes []outcome, f loadFlags) Summary {
	var latencies, added, lags []time.Duration
	perSecond := make([][]outcome, int(math.Ceil(f.duration.Seconds())))
	summary := Summary{Requests: len(outcomes), Good: countGood(outcomes, f), Statuses: map[string]int{}}
	for _, o := range outcomes {
		summary.Statuses[strconv.Itoa(o.status)]++
		latencies, lags = append(latencies, judged(o, f)), append(lags, o.lag)
		if o.status == http.StatusOK {
			added = append(added, o.latency-o.spent)
		}
		second := int(o.at.Seconds())
		perSecond[second] = append(perSecond[second], o)
	}
	summary.P50, summary.P90 = percentile(latencies, 50), percentile(latencies, 90)
	summary.P99, summary.P999 = percentile(latencies, 99), percentile(latencies, 99.9)
	summary.AddedP50, summary.AddedP99 = percentile(added, 50), percentile(added, 99)
	summary.LagP99, summary.LagMax = percentile(lags, 99), percentile(lags, 100)
	for _, those := range perSecond {
		var took []time.Duration
		for _, o := range those {
			took = append(took, judged(o, f))
		}
		second := Second{Requests: len(those), Good: countGood(those, f), P99: percentile(took, 99)}
		summary.Series = append(summary.Series, second)
	}
	return summary
}

func judged(o outcome, f loadFlags) time.Duration {
	if o.status == http.StatusOK {
		return o.latency
	}
	return f.timeout
}

func countGood(outcomes []outcome, f loadFlags) int {
	good := 0
	for _, o := range outcomes {
		if o.status == http.StatusOK && o.latency <= f.goodIn {
			good++
		}
	}
	return good
}

// percentile is by nearest rank, in milliseconds; 0 of nothing. It sorts what it is given.
func percentile(values []time.Duration, percent float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	rank := max(int(math.Ceil(percent/100*float64(len(values)))), 1)
	return float64(values[rank-1].Microseconds()) / 1000
}

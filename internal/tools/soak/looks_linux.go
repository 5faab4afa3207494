package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"frontsockets/internal/source"
	"frontsockets/internal/tcp"
)

// soaking is the looks of one source at the population, beside one churn.
type soaking struct {
	name     string // of the source that must answer
	attempts []tcp.Source
	fronts   []*front
	want     *expected
	timeWait time.Time // when TIME_WAIT was made last

	looks, retries, fallbacks int
	failed                    int // looks without an answer
	missing, twice            int // looks with a socket that is missing, or there more than once
	spent                     time.Duration
	perSecond                 int // connections that the churn made
}

// wrong returns the number of looks that were not right.
func (s *soaking) wrong() int { return s.failed + s.missing + s.twice }

func (s *soaking) perLook() time.Duration { return s.spent / time.Duration(max(1, s.looks)) }

// run makes so many looks beside a churn.
func (s *soaking) run(perSecond, looks int) {
	for i, attempt := range s.attempts {
		s.attempts[i] = countErrors(attempt, &s.retries)
	}
	s.settle()
	stop := startChurn(perSecond)
	start, told := time.Now(), time.Now()
	for s.looks < looks {
		if time.Since(s.timeWait) > timeWaitPeriod {
			s.settle()
		}
		if wrong := s.look(); wrong != "" {
			fmt.Fprintf(os.Stderr, "soak: %s beside %d connections/s, look %d: %s\n", s.name, perSecond, s.looks, wrong)
		}
		if time.Since(told) > progressPeriod {
			told = time.Now()
			fmt.Fprintf(os.Stderr, "soak: %s %s beside %d connections/s: %d of %d looks, %d wrong\n",
				told.Format(time.TimeOnly), s.name, perSecond, s.looks, looks, s.wrong())
		}
	}
	took := time.Since(start)
	s.perSecond = int(float64(stop()) / took.Seconds())
}

// look makes one look and returns what is wrong with it, or "".
func (s *soaking) look() string {
	const limit = 10 * time.Second // for a look, as by -t
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	start := time.Now()
	answer, err := s.ask(ctx)
	s.spent += time.Since(start)
	s.looks++
	if err != nil {
		s.failed++
		return err.Error()
	}
	if answer.Source != s.name {
		s.fallbacks++
	}
	missing, repeated, example := s.want.verdict()
	if missing > 0 {
		s.missing++
	}
	if repeated > 0 {
		s.twice++
	}
	return example
}

// ask looks at the front's port, as the checks do.
func (s *soaking) ask(ctx context.Context) (tcp.Look, error) {
	query := tcp.Query{Ports: tcp.Ports{{Lo: frontPort, Hi: frontPort}}}
	return source.First(ctx, s.attempts, query, func() tcp.Visit {
		s.want.begin()
		return s.want.visit
	})
}

// settle makes new TIME_WAIT and waits until a look shows each socket once: packets may be on the
// way.
func (s *soaking) settle() {
	const maxWait, pause = 5 * time.Second, 10 * time.Millisecond
	s.want.expire(time.Now())
	makeTimeWait(s.fronts, s.want)
	s.timeWait = time.Now()
	example := ""
	for time.Since(s.timeWait) < maxWait {
		_, err := s.ask(context.Background())
		must(err, "look")
		if _, _, example = s.want.verdict(); example == "" {
			return
		}
		time.Sleep(pause)
	}
	must(errors.New(example), "the population is not complete")
}

// countErrors counts the failed attempts of a source.
func countErrors(s tcp.Source, n *int) tcp.Source {
	return tcp.Source{Name: s.Name, Look: func(ctx context.Context, q tcp.Query, visit tcp.Visit) (tcp.Look, error) {
		look, err := s.Look(ctx, q, visit)
		if err != nil {
			*n++
		}
		return look, err
	}}
}

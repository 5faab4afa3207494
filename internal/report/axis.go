package report

import (
	"math"
	"slices"
	"time"
)

// axis is a time axis.
type axis struct {
	Span
	Left  float64
	Ticks []tick
}

// tick is a label of an axis.
type tick struct {
	X    float64
	Text string
}

// x returns the place of a time, to a tenth.
func (a axis) x(at time.Time) float64 {
	share := float64(at.Sub(a.From)) / float64(max(a.Duration(), time.Second))
	return tenth(a.Left + share*(pageWidth-a.Left))
}

// tenth rounds a length: a tenth of a unit is less than a pixel.
func tenth(x float64) float64 { return math.Round(x*10) / 10 }

// steps are the distances that an axis may have between two labels.
var steps = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second,
	30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute,
	30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	48 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour}

// axisOf returns an axis with labels at round times, as many as have room.
func axisOf(t teller, span Span, left float64) axis {
	a := axis{Span: span, Left: left}
	i := slices.IndexFunc(steps, func(step time.Duration) bool {
		labels := float64(span.Duration() / step)
		return labels*labelWidth(t.layout(step)) < pageWidth-left
	})
	if i < 0 {
		i = len(steps) - 1
	}
	layout := t.layout(steps[i])
	_, offset := span.From.Zone()
	local := time.Duration(offset) * time.Second
	for at := span.From.Add(local).Truncate(steps[i]).Add(-local); !at.After(span.To); at = at.Add(steps[i]) {
		if !at.Before(span.From) && a.x(at) < pageWidth-labelWidth(layout)/2 {
			a.Ticks = append(a.Ticks, tick{a.x(at), at.Format(layout)})
		}
	}
	return a
}

// labelWidth returns the room that a label needs, with the space to the next one.
func labelWidth(layout string) float64 {
	const character, space = 6.5, 24
	return float64(len(layout))*character + space
}

// layout returns how the labels of an axis are written.
func (t teller) layout(step time.Duration) string {
	switch {
	case step >= 24*time.Hour:
		return "01-02"
	case !t.day && step < time.Minute:
		return "01-02 15:04:05"
	case !t.day:
		return "01-02 15:04"
	case step < time.Minute:
		return time.TimeOnly
	}
	return "15:04"
}

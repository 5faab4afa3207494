#!/bin/sh
# Runs the check, with Nagios and HostMonitor output, on a healthy front, on a hung front
# and on a front with a client in a loop. Then acts a day in half a minute, and tells its story.
# Fails if an answer is not the expected one.
# Usage: demo.sh BIN-FOLDER
set -u
PATH=$(cd "$1" && pwd):$PATH
export PATH
if [ "$(uname)" != Linux ]; then
	echo "demo: needs Linux, where an ordinary user can see every socket" >&2
	exit 1
fi

# expect CODE PATTERN PROGRAM [ARGS...]: runs a check, prints its answer, and compares it
# with the exit code and the pattern.
expect() {
	code=$1 pattern=$2
	shift 2
	out=$("$@")
	got=$?
	printf '\n  $ %s\n  %s\n  exit code %s\n' "$*" "$(echo "$out" | sed "s/ 'established'.*/ .../")" "$got"
	# shellcheck disable=SC2254 # $pattern must match as a pattern
	case $out in
	$pattern) [ "$got" -eq "$code" ] && return 0 ;;
	esac
	printf '\ndemo: expected exit code %s and %s\n' "$code" "$pattern"
	return 1
}

# drill SCENARIO PORT: acts a scenario, and runs the checks when it is complete.
drill() {
	asked=no
	front_drill "$1" --port "$2" --for 5s | {
		while read -r line; do
			echo "$line"
			case $line in
			*"front_drill: ready"*) "ask_$1" "$2" && asked=yes && echo ;;
			esac
		done
		[ "$asked" = yes ]
	}
}

ask_healthy() {
	expect 0 "MDFRONT OK: front7 :$1 has 0 abnormal sockets, 60 established from 9 clients | *" check_mdfront_sockets -p "$1" -n front7 &&
		expect 0 "ScriptRes:Ok:0" check_mdfront_sockets -p "$1" -f hostmonitor
}

ask_hang() {
	# The queue is full or not yet, and the diagnosis comes after that or first.
	expect 2 "MDFRONT CRITICAL: *the front does not *" check_mdfront_sockets -p "$1" -n front7 &&
		expect 0 "ScriptRes:Bad:*" check_mdfront_sockets -p "$1" -f hostmonitor
}

ask_loop() {
	sleep 2 # sessions that are all closed within a second could be many clients that log off
	expect 2 "MDFRONT CRITICAL: front7 :$1 has * abnormal sockets (* TIME_WAIT) from 127.0.0.66 - one client looping, 100 % of them | *" check_mdfront_sockets -p "$1" -n front7 &&
		expect 0 "ScriptRes:Bad:* socket disconnect" check_mdfront_sockets -p "$1" -f hostmonitor
}

echo "A healthy front:"
drill healthy 47213 || exit 1
echo
echo "A front that plays dead: its process runs and its port listens, but it serves no client:"
drill hang 47214 || exit 1
echo
echo "One client that the front disconnects, and that reconnects at once, again and again:"
drill loop 47215 || exit 1
# act_day acts three fronts: one is well, one hangs and is restarted, one has a client in a loop.
act_day() {
	front_drill healthy --port 47216 --for 33s &
	{ front_drill hang --port 47217 --after 6s --for 6s && front_drill healthy --port 47217 --for 19s; } &
	front_drill loop --port 47218 --after 12s --others 60 --for 20s &
	wait
}

# watch_day logs each front once a second.
watch_day() {
	for _ in $(seq 28); do
		for group in 1 2 3; do
			check_mdfront_sockets -p 4721$((group + 5)) -n front$group --log "$log" >/dev/null &
		done
		sleep 1
		wait
	done
}

log=$(cd "$1" && pwd)/day.log
page=${log%.log}.html
rm -f "$log"
echo
echo "A day in half a minute. Three fronts are checked each second with --log:"
act_day >/dev/null 2>&1 &
sleep 2 # the fronts start
watch_day &
wait
echo
echo "  \$ front_report $log"
front_report "$log" | sed 's/^/  /'
front_report --html "$page" "$log" || exit 1
told=$(front_report "$log")
for word in "front2 was CRITICAL" "the front, not the client" "front3 was CRITICAL" "127.0.0.66"; do
	case $told in
	*"$word"*) ;;
	*)
		echo "demo: the story does not say: $word"
		exit 1
		;;
	esac
done
echo
echo "demo: every answer was the expected one. The same story as a page: $page"

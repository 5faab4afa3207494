#!/bin/busybox sh
# shellcheck shell=sh
# The first process of each virtual machine. It runs every test program of /tests, a line for
# each: package, pattern of tests to run, pattern of tests to skip. Lines that begin with
# "kernels:" are for the program that started the machine.
/bin/busybox --install /bin
export PATH=/usr/bin:/usr/sbin:/bin:/sbin
export REQUIRE_KERNEL=1 FRONTSOCKETS_PROGRAMS=/programs
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs run /run
ln -s /proc/self/fd /dev/fd
ip link set lo up
for module in /modules/inet_diag.ko /modules/tcp_diag.ko; do
	if [ -e "$module" ]; then
		insmod "$module"
	else
		export FRONTSOCKETS_WITHOUT_TCP_DIAG=1
	fi
done
page=$(awk '/KernelPageSize/ { print $2; exit }' /proc/self/smaps)
echo # the firmware leaves the cursor within a line
echo "kernels: machine $(uname -r) $(uname -m) $page"
while read -r package run skip; do
	cd "/src/$package" || continue
	./tests -test.v -test.timeout 300s -test.parallel 8 -test.run "$run" -test.skip "$skip" </dev/null
	echo "kernels: exit $? $package"
done </tests
echo "kernels: end"
poweroff -f

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// crowdSubnets are the subnets of the crowd, with crowdEach clients in each.
var crowdSubnets = []string{cutSubnet, "10.42.2", "10.42.3"}

const (
	crowdEach = 20
	floodPace = 10 * time.Millisecond // between two SYNs
)

// dieWithShell makes the kernel kill this process when the shell that started it ends.
func dieWithShell() {
	must(unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0), "prctl")
}

// crowd connects more clients to the front of front_drill and answers its ticks.
func crowd() {
	dieWithShell()
	for _, subnet := range crowdSubnets {
		for i := range crowdEach {
			from := fmt.Sprintf("%s.%d", subnet, 11+i)
			dialer := net.Dialer{KeepAlive: -1, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
			dialer.SetMultipathTCP(false)
			conn, err := dialer.Dial("tcp", net.JoinHostPort(frontAddress, strconv.Itoa(mdPort)))
			must(err, "crowd")
			_, err = io.WriteString(conn, "stay\n")
			must(err, "crowd")
			go func() {
				tick := make([]byte, 5)
				for {
					if _, err := io.ReadFull(conn, tick); err != nil {
						return // the scenario has ended
					}
					_, _ = io.WriteString(conn, "ok\n")
				}
			}()
		}
	}
	select {}
}

// flood sends SYNs from addresses that drop the answers.
func flood() {
	dieWithShell()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	must(err, "raw socket")
	to := &unix.SockaddrInet4{Addr: [4]byte(net.ParseIP(frontAddress).To4())}
	for {
		// The headers of RFC 791 and RFC 9293; the kernel fills in the checksum of the first.
		from := [4]byte{10, 43, byte(rand.IntN(256)), byte(1 + rand.IntN(254))}
		ip := append([]byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, unix.IPPROTO_TCP, 0, 0}, from[:]...)
		ip = append(ip, to.Addr[:]...)
		tcp := binary.BigEndian.AppendUint16(nil, uint16(1024+rand.IntN(60000)))
		tcp = binary.BigEndian.AppendUint16(tcp, mdPort)
		tcp = binary.BigEndian.AppendUint32(tcp, rand.Uint32())
		tcp = append(tcp, 0, 0, 0, 0, 5<<4, 0x02, 0xff, 0xff, 0, 0, 0, 0)
		pseudo := append(append([]byte{}, ip[12:20]...), 0, unix.IPPROTO_TCP, 0, byte(len(tcp)))
		binary.BigEndian.PutUint16(tcp[16:], checksum(append(pseudo, tcp...)))
		must(unix.Sendto(fd, append(ip, tcp...), 0, to), "SYN")
		time.Sleep(floodPace)
	}
}

// checksum returns the checksum of RFC 1071 for an even number of bytes.
func checksum(data []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

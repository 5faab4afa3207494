//go:build ignore

/*
 * The smallest program that sees the sockets of one local port. It asks the kernel for
 * the same sock_diag dump as the check, and counts the rows without decoding them. The
 * benchmark compares the check with it.
 */
#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 41213
#define ALL_STATES 0x1ffe

/* An operation is 4 bytes; one that compares is followed by one that holds the port. */
static const struct inet_diag_bc_op bytecode[] = {
	{INET_DIAG_BC_S_GE, 8, 24}, /* to 4 beyond the end, which rejects */
	{0, 0, PORT},
	{INET_DIAG_BC_S_LE, 8, 16},
	{0, 0, PORT},
	{INET_DIAG_BC_JMP, 4, 4}, /* to the end, which accepts */
};

struct request {
	struct nlmsghdr header;
	struct inet_diag_req body;
	struct nlattr attribute;
	struct inet_diag_bc_op filter[sizeof bytecode / sizeof bytecode[0]];
};

static char buffer[64 << 10] __attribute__((aligned(8)));

static int ask(int fd)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct request r;

	memset(&r, 0, sizeof r); /* family 0: IPv4 and IPv6 in one walk */
	r.header.nlmsg_len = sizeof r;
	r.header.nlmsg_type = TCPDIAG_GETSOCK;
	r.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	r.header.nlmsg_seq = 1;
	r.body.idiag_ext = 1 << (INET_DIAG_INFO - 1) | 1 << (INET_DIAG_SKMEMINFO - 1);
	r.body.idiag_states = ALL_STATES;
	r.body.id.idiag_sport = htons(PORT); /* compared before the filter runs */
	r.attribute.nla_len = sizeof r.attribute + sizeof r.filter;
	r.attribute.nla_type = INET_DIAG_REQ_BYTECODE;
	memcpy(r.filter, bytecode, sizeof bytecode);
	return sendto(fd, &r, sizeof r, 0, (struct sockaddr *)&kernel, sizeof kernel) == sizeof r;
}

/* count gives the rows of the dump, or -1 where it does not end as it should. */
static int count(int fd)
{
	int rows = 0;

	for (;;) {
		ssize_t got = recv(fd, buffer, sizeof buffer, MSG_TRUNC);
		struct nlmsghdr *m = (struct nlmsghdr *)buffer;

		if (got <= 0 || got > (ssize_t)sizeof buffer)
			return -1;
		for (int left = got; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
			switch (m->nlmsg_type) {
			case TCPDIAG_GETSOCK:
				rows++;
				break;
			case NLMSG_DONE:
				return rows;
			default:
				return -1;
			}
		}
	}
}

int main(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int rows;

	if (fd < 0 || !ask(fd)) {
		perror("sock_diag");
		return 1;
	}
	rows = count(fd);
	if (rows < 0) {
		fprintf(stderr, "the dump did not end as it should\n");
		return 1;
	}
	printf("%d\n", rows);
	return 0;
}

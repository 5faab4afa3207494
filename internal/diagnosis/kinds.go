package diagnosis

import (
	"fmt"

	"frontsockets/internal/tally"
)

// Code names a kind of trouble.
type Code string

// The codes.
const (
	Healthy          Code = "healthy"
	Down             Code = "down"
	Hung             Code = "hung"
	OutOfDescriptors Code = "out_of_descriptors"
	CrashLoop        Code = "crash_loop"
	FeedStalled      Code = "feed_stalled"
	NotClosing       Code = "not_closing"
	ClientLoop       Code = "client_loop"
	Network          Code = "network"
	SynBacklog       Code = "syn_backlog"
	MassLogoff       Code = "mass_logoff"
	Unclear          Code = "unclear"
)

// Blame says whose trouble it is.
type Blame string

// The parties. Nobody is to blame where there is no trouble.
const (
	Front   Blame = "the front"
	Client  Blame = "a client"
	Path    Blame = "the network"
	Nobody  Blame = "nobody"
	NotSure Blame = "not known"
)

// Kind explains one code.
type Kind struct {
	Code  Code
	Blame Blame
	// Means is what the sockets show.
	Means string
	// Restart answers whether a restart of the front helps.
	Restart string
	// Brief is the trouble in a few words, for a report.
	Brief   string
	Chinese Chinese
}

// Chinese has Brief and Restart of a Kind in Chinese, as the runbook has them.
type Chinese struct{ Brief, Restart string }

// Kinds has every code once, in the order of the documents.
var Kinds = []Kind{
	{Healthy, Nobody, fmt.Sprintf("No trouble, or fewer than %d abnormal sockets.", minAbnormal),
		"no", "no trouble",
		Chinese{"正常", "否"}},
	{Down, Front, "Nothing listens on a port that was asked for.",
		"start it", "nothing listens",
		Chinese{"没有监听", "启动前置"}},
	{Hung, Front, fmt.Sprintf("The front accepts nothing while the accept queue overflows or a connection has waited in"+
		" it for %s. Or it reads nothing while most clients have sent data, or have closed. Another look, %s"+
		" later, finds the same.", tally.MinimumWait, MinimumInterval),
		"yes, if the process is not just stopped; save the evidence first",
		"the front does not accept or read",
		Chinese{"前置不接受连接或不读数据", "先保存现场再重启；进程只是被暂停的不必重启"}},
	{OutOfDescriptors, Front, "As hung, and the process has as many descriptors open as it may. Without the right to" +
		" read the process's descriptors the diagnosis is hung.",
		"not if the limit can be raised", "the front has no free descriptors",
		Chinese{"前置的文件描述符用尽", "能提高上限就不必重启"}},
	{CrashLoop, Front, "The front closes every session soon after the login, and the clients come back. Or the" +
		" listener belongs to a service manager, and no process serves it.",
		"only after the cause is known", "the front closes every session soon",
		Chinese{"客户端登录后很快被前置断开", "先查明原因"}},
	{FeedStalled, Front, "The clients stay and can be sent data, and all or most were sent nothing for" +
		" --stalled-after (market data only).",
		"if only this group stalls", "the front sends nothing",
		Chinese{"前置不发送数据", "只有这一组行情停止才重启"}},
	{NotClosing, Front, "CLOSE_WAIT sockets pile up and stay, and the front serves.",
		"after the close of trading", "the front does not close sessions",
		Chinese{"前置不关闭会话", "收盘后重启"}},
	{ClientLoop, Client, fmt.Sprintf("One client has %d %% of at least %d abnormal sockets and comes back again and"+
		" again. Or one client takes no data for %s, or does not close.", dominantPct, minLoop, tally.MinimumWait),
		"no", "one client is in trouble",
		Chinese{"单个客户端有问题", "否"}},
	{Network, Path, fmt.Sprintf("Segments to several clients are retransmitted, on %d %% of the sessions or more; or to"+
		" one client, on most of all sessions.", retransmittingPct),
		"no", "the network loses packets",
		Chinese{"网络丢包", "否"}},
	{SynBacklog, Path, "Half-open connections pile up, and half of them do not answer.",
		"no", "half-open connections pile up",
		Chinese{"半连接堆积", "否"}},
	{MassLogoff, Nobody, "Many sessions of several clients were closed in order, and they do not come back.",
		"no", "many clients have logged off",
		Chinese{"大量客户端退出", "否"}},
	{Unclear, NotSure, "There is trouble, and the evidence fits no other diagnosis, or a source does not tell what" +
		" would decide. -v says what is missing.",
		"decide by the evidence", "the evidence does not decide",
		Chinese{"证据不足以判断", "看证据再定"}},
}

// BlamesFront reports whether the code blames the front.
func (c Code) BlamesFront() bool {
	for _, k := range Kinds {
		if k.Code == c {
			return k.Blame == Front
		}
	}
	return false
}

// Phrase is what the first line can say of a diagnosis: N stands for a number.
type Phrase struct {
	Code Code
	Text string
}

// Phrases returns every phrase of every rule, in the order of Kinds.
func Phrases() []Phrase {
	byOwner := map[Code]string{OutOfDescriptors: phraseOutOfDescriptors, CrashLoop: phraseServiceManager}
	var list []Phrase
	for _, k := range Kinds {
		said := map[string]bool{"": true}
		if text := byOwner[k.Code]; text != "" { // addOwner makes it of Hung
			list = append(list, Phrase{k.Code, text})
		}
		for _, r := range rules {
			if r.code == k.Code && !said[r.phrase] {
				said[r.phrase] = true
				list = append(list, Phrase{k.Code, r.phrase})
			}
		}
	}
	return list
}

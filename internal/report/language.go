package report

import (
	"fmt"
	"strings"

	"frontsockets/internal/diagnosis"
)

// Language is the words of a story in one language. Those with verbs are formats.
type Language struct {
	Name string // as --lang has it, and HTML's lang

	comma, list, and, colon, stop string // list is between the members of an enumeration

	// The summary.
	period, looks, oneLook, outOfSession               string
	gap, moreGaps, restarted, moreRestarts             string
	skipped, moreSkipped, noIncident, noneRead, untold string

	// An incident.
	incident, until, notOver                 string
	diagnosed, step, moreSteps, noDiagnosis  string
	nextStep                                 string // between two steps of a diagnosis
	said, states, first                      string
	beginUnseen, restartHelps, space         string
	othersWell, frontWas, notJudged          string
	notLooked                                string
	restartedFrom, restartedMore             string
	notKnown, since                          string
	lost, goesOn, closed, well, wellAfterGap string
	afterRestart, withRestart, affected      string
	here, there, nowhere, isWell, moreFronts string
	moreClients                              string
	compared, disagree, theClient            string
	blames                                   map[diagnosis.Blame]string
	clientVerdicts                           map[Verdict]string // as a sentence about one client
	shortVerdicts                            map[Verdict]string // for the table of clients
	signs                                    map[string]string  // of the table of clients
	seen                                     map[Seen]string
	verdicts                                 map[Verdict]string
	codes                                    map[diagnosis.Code]string
	restarts                                 map[diagnosis.Code]string // whether a restart of the front helps
	units                                    *strings.Replacer
	reasons                                  *strings.Replacer // why a line was skipped
	kinds                                    map[Kind]string
	Labels                                   map[string]string // of the page
}

// Languages are the languages of --lang, the default first.
var Languages = []*Language{&english, &chinese}

var english = Language{
	Name: "en", comma: ", ", list: ", ", and: " and ", colon: ": ", stop: ".",

	period:       "Fronts: %d, from %s to %s (%s). Looks: %s.",
	looks:        "%s: %d looks, one every %s: %s",
	oneLook:      "%s: 1 look: %s",
	outOfSession: "; %d of these out of session",
	gap:          "; no look from %s to %s",
	moreGaps:     ", and %d more gaps",
	restarted:    "; restarted at %s",
	moreRestarts: ", and %d more times",
	skipped:      "Lines that were skipped: %d",
	moreSkipped:  "and %d more",
	noIncident:   "No incident: every look was OK.",
	noneRead:     "No incident in the lines that could be read: every look was OK.",
	untold:       "Incidents that are not told, because they were shorter or less bad: %d. Use --from and --to.",

	incident: "Incident %d of %d: %s was %s from %s",
	until:    " to %s (%s)", notOver: "; its end was not seen",
	diagnosed: "Diagnosis: %s.", step: "%s from %s", nextStep: ", ", moreSteps: "then %d more changes",
	noDiagnosis:  "none, because the check had no answer",
	said:         "The check said at the worst moment, %s: %s",
	restartHelps: "Restart the front: %s.", space: " ",
	states:        "Sockets then: %s.",
	first:         "First client affected: %s, since %s.",
	othersWell:    "Other fronts then: %d of %d well",
	frontWas:      "%s was %s",
	notJudged:     "%d out of session",
	notLooked:     "%d without a look at that time",
	beginUnseen:   "It may have begun earlier: this story has no look just before %s.",
	restartedFrom: "Restarted at %s: process before %s, after %s.",
	restartedMore: "Restarted %d more times.",
	notKnown:      "not known", since: ", since %s",
	lost:         "It was not OK at %s; no look came after that.",
	goesOn:       "It was not over at the last look, %s.",
	closed:       "The trading session ended at %s; then nobody judges the front.",
	well:         "All was well at %s, after %s",
	wellAfterGap: "All was well at %s; no look since %s tells when it ended.",
	afterRestart: ", %s after the restart", withRestart: ", with the restart",
	affected: "Clients affected most, at the worst moment:",
	here:     "%s here", there: "%s at %s",
	nowhere: "not seen at another front", isWell: "%s and well", moreFronts: "%d more",
	moreClients: "and %d more clients",
	compared:    "Of the clients in the table, %d of %d were well at another front at that time.",
	disagree:    "The diagnosis names one client, %s. But that client was well at other fronts at that time.",
	theClient:   "the client %s",
	blames: map[diagnosis.Blame]string{
		diagnosis.Front: "the front", diagnosis.Client: "one client", diagnosis.Path: "the network",
		diagnosis.Nobody: "nobody's", diagnosis.NotSure: "not known",
	},
	clientVerdicts: map[Verdict]string{
		TheClient: "It had trouble at other fronts too, and the other clients here had little or none.",
	},
	shortVerdicts: map[Verdict]string{
		TheFront: "the front", TheClient: "the client",
	},
	signs: map[string]string{
		signWell: "served, with few or no abnormal sockets", signIll: "many abnormal sockets", signNoSession: "no session",
		signNotListed: "not among the clients of the log", signNoLook: "no look at that time",
	},
	seen: map[Seen]string{
		NoLook: "no look at that time", NoSession: "no session", NotListed: "not among the clients of the log",
	},
	verdicts: map[Verdict]string{
		TheFront:  "the front, not the client",
		TheClient: "the client, not the front",
	},
	codes:    byCode(func(k diagnosis.Kind) string { return k.Brief }),
	restarts: byCode(func(k diagnosis.Kind) string { return k.Restart }),
	units:    strings.NewReplacer(), reasons: strings.NewReplacer(),
	kinds: map[Kind]string{
		KindOK: "OK", KindWarning: "WARNING", KindCritical: "CRITICAL", KindUnknown: "UNKNOWN",
		KindClosed: "no trading session", KindGap: "no look",
	},
	Labels: map[string]string{
		"title": "The story of the fronts", "skip": "Skip to the incidents", "top": "Back to the top",
		"strips": "Status of every front over time", "looks": "The looks of every front",
		"incidents": "The incidents", "number": "No.", "front": "Front", "from": "From", "to": "To",
		"duration": "How long", "worst": "Worst", "diagnosis": "Diagnosis at the worst moment", "open": "end not seen",
		"clients": "The clients affected most, at the worst moment", "client": "Client",
		"verdict": "Whose trouble", "undecided": "not decided",
		"charts": "Sockets, accept queue and age of the feed over time; the values are in the table below",
		"during": "the incident", "restart": "restarted %s", "most": "most: %s at %s", "of": "%g of %g",
		"states": "Sockets by state", "queueChart": "Accept queue, in percent of its backlog",
		"queueAlone": "Accept queue; its backlog is not known", "queue": "accept queue", "backlog": "backlog",
		"ageChart": "Feed age: seconds since data was sent to any client", "age": "feed age",
		"values": "The values as a table", "time": "Time", "status": "Status", "sockets": "Sockets",
		"footer": "Made by front_report. All times are in the zone of the log.",
	},
}

// byCode returns what the table of diagnoses says of each.
func byCode(says func(diagnosis.Kind) string) map[diagnosis.Code]string {
	all := map[diagnosis.Code]string{}
	for _, k := range diagnosis.Kinds {
		all[k.Code] = says(k)
	}
	return all
}

var chinese = Language{
	Name: "zh", comma: "，", list: "、", and: "、", colon: "：", stop: "。",

	period:       "共 %d 个前置，%s 至 %s（%s），检查 %s 次。",
	looks:        "%s：检查 %d 次，每 %s一次：%s",
	oneLook:      "%s：检查 1 次：%s",
	outOfSession: "；其中 %d 次在非交易时段",
	gap:          "；%s 至 %s 没有检查",
	moreGaps:     "，另有 %d 段空缺",
	restarted:    "；%s 重启",
	moreRestarts: "，另外重启 %d 次",
	skipped:      "跳过的行：%d",
	moreSkipped:  "另有 %d 行",
	noIncident:   "没有故障：每次检查都是 OK。",
	noneRead:     "读得出的各行里没有故障：每次检查都是 OK。",
	untold:       "另有 %d 次较短或较轻的故障没有列出；请用 --from 和 --to 缩小时段。",

	incident: "故障 %d/%d：%s %s，自 %s",
	until:    " 至 %s（%s）", notOver: "，未见结束",
	diagnosed: "诊断：%s。", step: "%s，自 %s 起", nextStep: "；", moreSteps: "此后还有 %d 次变化",
	noDiagnosis:   "无，检查没有得出结果",
	said:          "最严重时 %s 检查的输出：%s",
	restartHelps:  "要重启前置吗？%s。",
	states:        "当时的 socket：%s。",
	first:         "最先受影响的客户端：%s，自 %s。",
	othersWell:    "当时其他前置：%d/%d 正常",
	frontWas:      "%s 为 %s",
	notJudged:     "%d 个不在交易时段",
	notLooked:     "%d 个当时没有检查",
	beginUnseen:   "本报告没有紧接 %s 之前的检查，故障可能更早已经开始。",
	restartedFrom: "%s 重启：重启前进程 %s，重启后进程 %s。",
	restartedMore: "另外重启 %d 次。",
	notKnown:      "不详", since: "，自 %s",
	lost:         "%s 仍不正常，此后没有检查。",
	goesOn:       "最后一次检查 %s 时尚未结束。",
	closed:       "%s 交易时段结束，此后不再判断。",
	well:         "%s 恢复正常，历时 %s",
	wellAfterGap: "%s 已正常；自 %s 起没有检查，不知何时恢复。",
	afterRestart: "，距重启 %s", withRestart: "，随重启恢复",
	affected: "受影响最重的客户端（最严重时）：",
	here:     "本前置 %s", there: "%[2]s 上 %[1]s",
	nowhere: "其他前置上未见", isWell: "%s（正常）", moreFronts: "另外 %d 个前置",
	moreClients: "另有 %d 个客户端",
	compared:    "表中客户端有 %d/%d 个当时在其他前置上正常。",
	disagree:    "诊断指向单个客户端 %s，但该客户端当时在其他前置上正常。",
	theClient:   "客户端 %s",
	blames: map[diagnosis.Blame]string{
		diagnosis.Front: "前置", diagnosis.Client: "单个客户端", diagnosis.Path: "网络",
		diagnosis.Nobody: "没有故障", diagnosis.NotSure: "不详",
	},
	clientVerdicts: map[Verdict]string{
		TheClient: "它在其他前置上也有问题，而本前置的其他客户端没有问题，或问题很少。",
	},
	shortVerdicts: map[Verdict]string{TheFront: "前置", TheClient: "客户端"},
	signs: map[string]string{
		signWell: "有正常会话，异常 socket 很少或没有", signIll: "异常 socket 很多", signNoSession: "没有会话",
		signNotListed: "不在日志所列客户端之中", signNoLook: "当时没有检查",
	},
	seen: map[Seen]string{
		NoLook: "当时没有检查", NoSession: "没有会话", NotListed: "不在日志所列客户端之中",
	},
	verdicts: map[Verdict]string{
		TheFront:  "问题出在前置，不在客户端",
		TheClient: "问题出在客户端，不在前置",
	},
	restarts: byCode(func(k diagnosis.Kind) string { return k.Chinese.Restart }),
	codes:    byCode(func(k diagnosis.Kind) string { return k.Chinese.Brief }),
	units:    strings.NewReplacer("h", " 小时 ", "m", " 分钟 ", "s", " 秒"),
	reasons: strings.NewReplacer(
		errTorn.Error(), "不完整：写入进程被终止，或仍在写入",
		errForeign.Error(), "不是 --log 写的行",
		errNewer.Error(), "由更新版本写入，需要更新的 front_report",
		errTooLong.Error(), fmt.Sprintf("超过 %d 字节", maxLine),
		errRest.Error(), "文件其余部分无法读取",
		errUnreadable.Error(), "文件无法读取",
		errCutShort.Error(), "文件不完整，或末尾有别的内容，请重新复制",
		errChanged.Error(), "文件在读取期间有变化，请重新运行 front_report",
		errFronts.Error(), fmt.Sprintf("前置超过 %d 个，这一行没有计入；请减少日志中的前置", allLimits.fronts),
		errLooks.Error(), fmt.Sprintf("检查超过 %d 次，这一行没有计入；请用 --from 和 --to 缩小时段", allLimits.looks),
		errListeners.Error(), fmt.Sprintf("重启超过 %d 次，这一行没有计入；请用 --from 和 --to 缩小时段", allLimits.listeners),
		errCodes.Error(), fmt.Sprintf("诊断超过 %d 种，不是检查插件写的日志", allLimits.codes),
	),
	kinds: map[Kind]string{
		KindOK: "OK", KindWarning: "WARNING", KindCritical: "CRITICAL", KindUnknown: "UNKNOWN",
		KindClosed: "非交易时段", KindGap: "没有检查",
	},
	Labels: map[string]string{
		"title": "前置故障经过", "skip": "跳到故障列表", "top": "回到页首",
		"strips": "各前置的状态", "looks": "各前置的检查情况",
		"incidents": "故障列表", "number": "编号", "front": "前置", "from": "开始", "to": "结束",
		"duration": "历时", "worst": "最严重状态", "diagnosis": "最严重时的诊断", "open": "未见结束",
		"clients": "受影响最重的客户端（最严重时）", "client": "客户端",
		"verdict": "问题出在", "undecided": "不能判断",
		"charts": "socket、全连接队列和行情间隔随时间的变化，数值见下表",
		"during": "故障期间", "restart": "%s 重启", "most": "最高 %[1]s，%[2]s", "of": "%g / %g",
		"states": "各状态的 socket 数", "queueChart": "全连接队列占 backlog 的百分比",
		"queueAlone": "全连接队列（backlog 不详）", "queue": "全连接队列", "backlog": "backlog",
		"ageChart": "行情间隔：距最近一次向任一客户端发送数据的秒数", "age": "行情间隔",
		"values": "数值表", "time": "时间", "status": "状态", "sockets": "socket",
		"footer": "由 front_report 生成。时间均为日志所在时区。",
	},
}

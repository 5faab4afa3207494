package plugins

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are those that there are in Chinese too, as NAME.zh-CN.md beside NAME.md.
var documents = []string{
	"../README", "../docs/FLEET", "../docs/MIGRATING", "../docs/PLAYS-DEAD", "../docs/REPORT",
	"../contrib/hostmonitor/README", "../contrib/log/README", "../contrib/nagios/README", "../contrib/nrpe/README",
	"../contrib/spool/README",
}

const english, chinese = ".md", ".zh-CN.md"

// The defaults of the option table that are prose; any other must be the same in both.
var (
	defaultsInChinese = map[string]string{
		"none": "无", "any": "任意", "now": "当前时间", "own": "当前命名空间",
		"those of --policy": "由 --policy 决定", "always in session": "始终在时段内",
	}
	frontsInChinese = strings.NewReplacer(" (md front)", "（行情前置）", ", ", "，", " (trade front)", "（交易前置）")
)

// markdown is what of a document does not depend on its language.
type markdown struct {
	levels   []string // of headings: # to ######
	headings []string // as in links: #quick-start
	blocks   []string // of code, fences and indent too
	rows     [][]string
	links    []string
}

var (
	heading = regexp.MustCompile(`^(#{1,6}) (.*)$`)
	span    = regexp.MustCompile("`[^`]+`")
	link    = regexp.MustCompile(`\]\(([^)]*)\)`)
	noLink  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	comment = regexp.MustCompile(`^(.*\S {2,}# )(.*)$`) // behind a command in a block of code
	han     = regexp.MustCompile(`\p{Han}`)
)

func readMarkdown(t *testing.T, file string) markdown {
	t.Helper()
	var m markdown
	inBlock := false
	for line := range strings.Lines(readText(t, file)) {
		if fence := strings.HasPrefix(strings.TrimSpace(line), "```"); fence || inBlock {
			if fence && !inBlock {
				m.blocks = append(m.blocks, "")
			}
			m.blocks[len(m.blocks)-1] += line
			inBlock = inBlock != fence
			continue
		}
		line = strings.TrimSpace(line)
		if h := heading.FindStringSubmatch(line); h != nil {
			m.levels = append(m.levels, h[1])
			name := noLink.ReplaceAllString(strings.ToLower(h[2]), "")
			m.headings = append(m.headings, "#"+strings.ReplaceAll(name, " ", "-"))
		}
		if strings.HasPrefix(line, "|") {
			// A bar behind a backslash does not end a cell.
			cells := strings.Split(strings.ReplaceAll(line, `\|`, "\x00"), "|")
			for i, cell := range cells {
				cells[i] = strings.ReplaceAll(strings.TrimSpace(cell), "\x00", `\|`)
			}
			m.rows = append(m.rows, cells[1:len(cells)-1])
		}
		for _, l := range link.FindAllStringSubmatch(line, -1) {
			m.links = append(m.links, l[1])
		}
	}
	if inBlock {
		t.Fatalf("%s ends within a block of code", file)
	}
	return m
}

// options are the rows of the option table.
func (m markdown) options() [][]string {
	return slices.DeleteFunc(slices.Clone(m.rows), func(row []string) bool { return !strings.HasPrefix(row[0], "`-") })
}

// TestReadmeChinese: what is changed in one language is changed in the other, as far as
// that can be seen without reading Chinese.
func TestReadmeChinese(t *testing.T) {
	for _, document := range documents {
		en, zh := readMarkdown(t, document+english), readMarkdown(t, document+chinese)
		same(t, document+": level of heading", en.levels, zh.levels)
		same(t, document+": block of code", en.blocks, untranslated(en.blocks, zh.blocks))
		same(t, document+": code in the first column of row", codeInFirstColumn(en.rows), codeInFirstColumn(zh.rows))

		// Each leads to the other first.
		name := path.Base(document)
		startsWith(t, document+english, "[中文]("+name+chinese+")")
		startsWith(t, document+chinese, "[English]("+name+english+")")

		// The order of links depends on the language's order of words.
		var want []string
		for _, l := range en.links[1:] {
			want = append(want, inChinese(document, l))
		}
		got := slices.Clone(zh.links[1:])
		for i, l := range got {
			got[i], _, _ = strings.Cut(l, "#")
		}
		slices.Sort(want)
		slices.Sort(got)
		same(t, document+": link", want, got)
		checkLinks(t, document+chinese, zh)
	}
}

// TestReadmeChineseOptions: the Chinese table has the options and defaults of the English one,
// which has those of --help.
func TestReadmeChineseOptions(t *testing.T) {
	en, zh := readMarkdown(t, "../README"+english).options(), readMarkdown(t, "../README"+chinese).options()
	if len(en) == 0 {
		t.Fatal("no option table")
	}
	var want, got []string
	for _, row := range en {
		def := row[len(row)-1]
		if prose, ok := defaultsInChinese[def]; ok {
			def = prose
		}
		want = append(want, row[0]+" default "+frontsInChinese.Replace(def))
	}
	for _, row := range zh {
		got = append(got, row[0]+" default "+row[len(row)-1])
		if len(row) != 3 || row[1] == "" {
			t.Errorf("%s has no meaning in the Chinese option table", row[0])
		}
	}
	same(t, "option", want, got)
}

// same complains of the first difference only: those behind it often come from it.
func same(t *testing.T, what string, english, chinese []string) {
	t.Helper()
	for i := range max(len(english), len(chinese)) {
		en, zh := "nothing", "nothing"
		if i < len(english) {
			en = english[i]
		}
		if i < len(chinese) {
			zh = chinese[i]
		}
		if en != zh || i >= len(english) || i >= len(chinese) {
			t.Errorf("%s %d: by the English document it should be\n%s\nthe Chinese one has\n%s", what, i+1, en, zh)
			return
		}
	}
}

// untranslated returns the Chinese document's blocks of code with the English comment for each that is
// in Chinese, if the command before it is the same.
func untranslated(english, chinese []string) []string {
	blocks := slices.Clone(chinese)
	for i := range min(len(english), len(blocks)) {
		en, zh := strings.Split(english[i], "\n"), strings.Split(blocks[i], "\n")
		for j := range min(len(en), len(zh)) {
			e, z := comment.FindStringSubmatch(en[j]), comment.FindStringSubmatch(zh[j])
			if e != nil && z != nil && e[1] == z[1] && han.MatchString(z[2]) {
				zh[j] = en[j]
			}
		}
		blocks[i] = strings.Join(zh, "\n")
	}
	return blocks
}

func codeInFirstColumn(rows [][]string) (code []string) {
	for _, row := range rows {
		code = append(code, strings.Join(span.FindAllString(row[0], -1), " "))
	}
	return code
}

// startsWith wants the link in the first line below the title.
func startsWith(t *testing.T, file, link string) {
	t.Helper()
	lines := strings.SplitN(readText(t, file), "\n", 5)
	if len(lines) < 5 || lines[1] != "" || lines[2] != link || lines[3] != "" {
		t.Fatalf("%s should have %s below its title", file, link)
	}
}

// inChinese is where a link of the English document should lead in the Chinese one.
func inChinese(document, link string) string {
	link, _, _ = strings.Cut(link, "#")
	if link != "" && slices.Contains(documents, path.Join(path.Dir(document), link, "README")) {
		return link + "/README" + chinese // of a folder, which shows the English one
	}
	if name := strings.TrimSuffix(link, english); slices.Contains(documents, path.Join(path.Dir(document), name)) {
		return name + chinese
	}
	if picture, isPicture := strings.CutSuffix(link, ".png"); isPicture { // with words in it
		if _, err := os.Stat(path.Join(path.Dir(document), picture+".zh-CN.png")); err == nil {
			return picture + ".zh-CN.png"
		}
	}
	return link
}

// checkLinks wants every file and every heading that the document links to.
func checkLinks(t *testing.T, document string, m markdown) {
	t.Helper()
	for _, l := range m.links {
		if strings.Contains(l, "://") {
			continue
		}
		file, anchor, found := strings.Cut(l, "#")
		target := m
		if file != "" {
			file = path.Join(path.Dir(document), file)
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s: %v", document, l, err)
				continue
			}
			if found {
				target = readMarkdown(t, file)
			}
		}
		if found && !slices.Contains(target.headings, "#"+anchor) {
			t.Errorf("%s links to %s, which has no such heading", document, l)
		}
	}
}

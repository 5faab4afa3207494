package main

import (
	"fmt"
	"strings"
)

// flags returns the spellings of an option.
func flags(o option) []string {
	if o.Short == "" {
		return []string{"--" + o.Long}
	}
	return []string{"-" + o.Short, "--" + o.Long}
}

// names returns the names of the entries, separated by spaces.
func names(entries []entry) string {
	var list []string
	for _, e := range entries {
		list = append(list, e.Name)
	}
	return strings.Join(list, " ")
}

// bash returns a completion function that needs no library of functions. Readline splits
// words at = and :.
func bash(m manual) string {
	var all []string
	var cases strings.Builder
	for _, o := range m.Options {
		all = append(all, flags(o)...)
		switch pattern := strings.Join(flags(o), " | "); {
		case o.Value == "FILE":
			fmt.Fprintf(&cases, "\t%s) files=yes ;;\n", pattern)
		case len(o.Words) > 0:
			fmt.Fprintf(&cases, "\t%s) words='%s' ;;\n", pattern, strings.Join(o.Words, " "))
		case o.Value != "":
			fmt.Fprintf(&cases, "\t%s) return ;;\n", pattern)
		}
	}
	others := "words='" + names(m.Arguments) + "'"
	if m.Files {
		others = "files=yes"
	}
	fields := strings.NewReplacer("PROGRAM", m.Program, "CASES", cases.String(),
		"OPTIONS", strings.Join(all, " "), "OTHERS", others)
	return fields.Replace(
		`# bash completion for PROGRAM

_PROGRAM() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} before='' words='' files=''
	# Readline splits a word at = and :, and each of these is then a word.
	if [[ $cur == [=:] ]]; then
		before=$prev prev=$cur cur=''
	elif [[ $prev == [=:] && $COMP_CWORD -ge 2 ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	[[ $prev == = ]] && prev=$before
	case $prev in
	:) [[ $before == @(netstat|ss|snapshot) ]] && files=yes || return ;;
CASES	*) [[ $cur == -* ]] && words='OPTIONS' || OTHERS ;;
	esac
	if [[ $files ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] ]]; then
		compopt -o nospace 2>/dev/null
	fi
}
complete -F _PROGRAM PROGRAM
`)
}

// zsh returns a file with a completion function.
func zsh(m manual) string {
	quote := strings.NewReplacer("'", `'\''`, "[", `\[`, "]", `\]`, ":", `\:`).Replace
	var b strings.Builder
	fmt.Fprintf(&b, "#compdef %s\n\n_arguments -s -S", m.Program)
	for _, o := range m.Options {
		after, action, words := "", "", strings.Join(o.Words, " ")
		if o.Value != "" {
			after, action = "=", ":"+quote(o.Value)+":"
		}
		switch {
		case o.Value == "":
		case o.Value == "FILE":
			action += "_files"
		case strings.Contains(words, ":"): // the name of a file follows
			action += `{compset -P "*\:" && _files || compadd -S "" -- ` + quote(words) + "}"
		case strings.Contains(words, "="):
			action += `{compadd -S "" -- ` + words + "}"
		case words != "":
			action += "(" + words + ")"
		default:
			action += " " // zsh has nothing to offer
		}
		spellings, exclusion := flags(o), "'*'"
		if !o.Repeatable {
			exclusion = "'(" + strings.Join(spellings, " ") + ")'"
		}
		spec := spellings[0] + after
		if o.Short != "" {
			spec = "{" + spellings[0] + strings.Replace(after, "=", "+", 1) + "," + spellings[1] + after + "}"
		}
		fmt.Fprintf(&b, " \\\n\t%s%s'[%s]%s'", exclusion, spec, quote(o.Help), action)
	}
	if len(m.Arguments) > 0 {
		fmt.Fprintf(&b, " \\\n\t'1: :((")
		for i, e := range m.Arguments {
			if i > 0 {
				b.WriteByte(' ')
			}
			fmt.Fprintf(&b, `%s\:"%s"`, e.Name, quote(e.Text))
		}
		fmt.Fprintf(&b, "))'")
	}
	if m.Files {
		b.WriteString(" \\\n\t'*:file:_files'")
	}
	b.WriteByte('\n')
	return b.String()
}

// fish returns the completion commands.
func fish(m manual) string {
	quote := func(text string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# fish completion for %s\n\n", m.Program)
	if !m.Files {
		fmt.Fprintf(&b, "complete -c %s -f\n", m.Program)
	}
	for _, e := range m.Arguments {
		fmt.Fprintf(&b, "complete -c %s -n 'not __fish_seen_subcommand_from %s' -a %s -d %s\n",
			m.Program, names(m.Arguments), e.Name, quote(e.Text))
	}
	for _, o := range m.Options {
		fmt.Fprintf(&b, "complete -c %s", m.Program)
		if o.Short != "" {
			fmt.Fprintf(&b, " -s %s", o.Short)
		}
		fmt.Fprintf(&b, " -l %s", o.Long)
		switch {
		case o.Value == "FILE":
			b.WriteString(" -r -F")
		case o.Value != "":
			b.WriteString(" -x")
		}
		if len(o.Words) > 0 {
			fmt.Fprintf(&b, " -a %s", quote(strings.Join(o.Words, " ")))
		}
		fmt.Fprintf(&b, " -d %s\n", quote(o.Help))
	}
	return b.String()
}

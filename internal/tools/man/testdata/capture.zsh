# Prints what zsh offers when Tab is pressed behind a line: capture.zsh FOLDER LINE.
# Only a shell at a terminal completes, so one is started at one, and its compadd tells.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT=; fpath=(${(q)1} \$fpath); autoload -Uz compinit; compinit -D -u"
zpty -w shell '
compadd() {
	local -a hits
	if [[ -z ${argv[(r)-[OAD]]} ]]; then
		builtin compadd -O hits "$@"
		offers+=($hits)
	fi
	builtin compadd "$@"
}
tab() { offers=(); zle complete-word; print -r -- "<${offers}>" }
zle -C complete-word complete-word _main_complete
zle -N tab
bindkey "^I" tab
print ready-$((1 + 1))'
zpty -r shell out '*ready-2*'
zpty -n -w shell "$2"$'\t'
zpty -r shell out '*<*>*'
out=${out##*<}
print -r -- ${out%%>*}

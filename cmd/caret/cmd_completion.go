package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// shellScripts make a shell ask `caret __complete`. What ends in one of /@:=
// is not a whole word yet, so no space goes behind it.
var shellScripts = map[string]string{
	"bash": `_caret() {
	local line=${COMP_LINE-}
	line=${line:0:${COMP_POINT-0}}
	mapfile -t COMPREPLY < <(caret __complete bash "${line:-${COMP_WORDS[*]:0:COMP_CWORD+1}}" "${COMP_WORDBREAKS-}")
	if [[ ${COMPREPLY[0]-} == :files ]]; then
		COMPREPLY=()
		compopt -o default
	elif [[ ${COMPREPLY[0]-} == *[/@:=] ]]; then
		compopt -o nospace
	fi
} 2>/dev/null
complete -F _caret caret
`,
	"zsh": `#compdef caret
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
_caret() {
	local reply word
	local -a part whole shown
	for reply in ${(f)"$(caret __complete zsh "${(j: :)words[1,CURRENT-1]} $PREFIX" 2>/dev/null)"}; do
		word=${reply%%$'\t'*}
		case $word in
		(:files) compset -P '--*='; _files; return ;;
		(*[/@:=]) part+=("$word") ;;
		(*) whole+=("$word"); shown+=("${reply/$'\t'/  -- }") ;;
		esac
	done
	compadd -S '' -a part
	compadd -l -d shown -a whole
}
compdef _caret caret
`,
	"fish": `function __caret_complete
	for reply in (caret __complete fish (commandline -cp) 2>/dev/null)
		if test "$reply" = :files
			__fish_complete_path (string replace -r -- '^--[^=]*=' '' (commandline -ct))
		else
			echo -- $reply
		end
	end
end
complete -c caret -f -a '(__caret_complete)'
`,
}

func completionCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print a script that completes command lines in a shell", ArgsUsage: "bash|zsh|fish",
		Description: "It completes commands, flags, and the names that the server has. To load it\n" +
			"in each new shell, put its line of these where it belongs:\n\n" +
			"   bash   source <(caret completion bash)     in ~/.bashrc\n" +
			"   zsh    source <(caret completion zsh)      in ~/.zshrc\n" +
			"   fish   caret completion fish | source      in ~/.config/fish/config.fish\n\n" +
			"EXAMPLES:\n   source <(caret completion bash)",
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "bash|zsh|fish")
			if err != nil {
				return err
			}
			script, ok := shellScripts[args[0]]
			if !ok {
				return usagef("there is no completion for %q; write one of bash, zsh and fish", args[0])
			}
			_, err = fmt.Fprint(p.stdout, script)
			return err
		},
	}
}

// completeCommand is what the scripts ask: SHELL, the line up to the cursor,
// and the characters at which bash begins a word anew. It answers with a
// candidate a line, and says nothing of what is wrong.
func completeCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "__complete", Hidden: true,
		Action: func(c *cli.Context) error {
			shell, line, breaks := c.Args().Get(0), c.Args().Get(1), c.Args().Get(2)
			words, cut, quote := shellWords(line, breaks)
			w := bufio.NewWriter(p.stdout)
			for _, x := range complete(c.Context, p, c.App, words) {
				switch {
				case shell == "bash" && x.word != localFiles:
					x = candidate{word: bashWord(x.word[cut:], quote)}
				case x.about != "" && shell != "bash":
					x.word += "\t" + oneLine(x.about)
				}
				fmt.Fprintln(w, x.word)
			}
			return w.Flush()
		},
	}
}

// shellWords splits a command line that ends at the cursor as a shell does;
// its last word may be empty. cut is how many bytes of that word bash has put
// aside, because one of breaks or a quote, which is quote, follows them.
func shellWords(line, breaks string) (words []string, cut int, quote byte) {
	var word []byte
	in := false // a word
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			word = append(word, line[i])
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word = append(word, c)
		case c == '\'' || c == '"':
			quote, cut = c, len(word)
		case strings.IndexByte(" \t\n", c) >= 0:
			if in {
				words = append(words, string(word))
			}
			word, cut, in = nil, 0, false
			continue
		default:
			word = append(word, c)
			if strings.IndexByte(breaks, c) >= 0 {
				cut = len(word)
				if c == '@' { // which bash leaves with what follows
					cut--
				}
			}
		}
		in = true
	}
	return append(words, string(word)), cut, quote
}

// bashWord is s as it is typed in bash, within quote if that is not 0. What a
// quote cannot hold stands between two of them.
func bashWord(s string, quote byte) string {
	special, aside := " \t'\"\\$`&;()<>|*?[]{}!", ""
	switch quote {
	case '\'':
		special, aside = "", "'"
	case '"':
		special, aside = "\"\\$`", "!"
	}
	var b strings.Builder
	for i := range len(s) {
		escaped := strings.IndexByte(special, s[i]) >= 0
		if quote == 0 && i == 0 { // a home, or a comment
			escaped = escaped || s[0] == '~' || s[0] == '#'
		}
		switch {
		case strings.IndexByte(aside, s[i]) >= 0:
			b.Write([]byte{quote, '\\', s[i], quote})
			continue
		case escaped:
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

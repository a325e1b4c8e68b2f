/* completion.c: `choreo completion` prints a shell's script; the script asks `choreo __complete`
 * (complete.c). */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"

static const char bash_script[] =
    "# bash completion of choreo: source <(choreo completion bash)\n"
    "_choreo() {\n"
    "    local words=() i word cur lines line kind=:end IFS=$' \\t\\n'\n"
    "    # bash cuts words at = and :, choreo does not\n"
    "    for ((i = 1; i <= COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if ((${#words[@]})) && [[ $word == [=:]* || ${words[-1]} == *[=:] ]] &&\n"
    "            [[ ${COMP_LINE} == *\"${words[-1]}$word\"* ]]; then\n"
    "            words[-1]+=$word\n"
    "        else\n"
    "            words+=(\"$word\")\n"
    "        fi\n"
    "    done\n"
    "    cur=${words[-1]}\n"
    "    COMPREPLY=()\n"
    "    mapfile -t lines < <(choreo __complete -- \"${words[@]}\" 2>/dev/null)\n"
    "    for line in \"${lines[@]}\"; do\n"
    "        case $line in\n"
    "        :files | :open | :end) kind=$line ;;\n"
    "        *)\n"
    "            word=${line%%$'\\t'*}\n"
    "            [[ $word == *= ]] && compopt -o nospace\n"
    "            if [[ $cur == *[=:]* ]]; then\n"
    "                word=${word#\"${cur%\"${cur##*[=:]}\"}\"}\n"
    "            fi\n"
    "            COMPREPLY+=(\"$word\")\n"
    "            ;;\n"
    "        esac\n"
    "    done\n"
    "    [[ $kind == :open ]] && compopt -o nospace\n"
    "    if [[ $kind == :files ]]; then\n"
    "        compopt -o filenames\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"${cur##*=}\")\n"
    "    fi\n"
    "}\n"
    "complete -F _choreo choreo\n";

static const char zsh_script[] =
    "#compdef choreo\n"
    "# zsh completion of choreo: source <(choreo completion zsh), or as _choreo in a folder of "
    "$fpath\n"
    "_choreo() {\n"
    "    local line value kind=:end\n"
    "    local -a values shown\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "        :files | :open | :end) kind=$line ;;\n"
    "        *)\n"
    "            value=${line%%$'\\t'*}\n"
    "            values+=(\"$value\")\n"
    "            shown+=(\"$value  ${line#*$'\\t'}\")\n"
    "            ;;\n"
    "        esac\n"
    "    done < <(choreo __complete -- \"${(@Q)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    if [[ $kind == :files ]]; then\n"
    "        _files\n"
    "    elif [[ $kind == :open ]]; then\n"
    "        compadd -S '' -l -d shown -a values\n"
    "    elif (( ${#values} )); then\n"
    "        compadd -l -d shown -a values\n"
    "    fi\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _choreo ]; then\n"
    "    _choreo \"$@\"\n"
    "else\n"
    "    compdef _choreo choreo\n"
    "fi\n";

static const char fish_script[] =
    "# fish completion of choreo: choreo completion fish | source\n"
    "function __choreo_complete\n"
    "    set -l words (commandline -opc) (commandline -ct)\n"
    "    set -l lines (choreo __complete -- $words[2..-1] 2>/dev/null)\n"
    "    if test \"$lines[-1]\" = :files\n"
    "        __fish_complete_path (commandline -ct)\n"
    "    else\n"
    "        string match -v ':*' -- $lines\n"
    "    end\n"
    "end\n"
    "complete -c choreo -f -a '(__choreo_complete)'\n";

static int run_completion(struct cli *c, struct err *err)
{
    static const struct {
        const char *shell;
        const char *script;
    } scripts[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
    for (size_t i = 0; c->args.count == 1 && i < 3; i++) {
        if (strcmp(c->args.items[0], scripts[i].shell) == 0) {
            (void)fputs(scripts[i].script, stdout);
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "which shell? bash, zsh or fish");
}

const struct command command_completion = {
    .name = "completion",
    .summary = "a shell's completion of commands, options, kinds and names",
    .usage = "bash|zsh|fish",
    .about =
        "Prints a script that completes commands, options, kinds and fields, and, asked from the\n"
        "server within a second, names of objects, namespaces and nodes.",
    .examples = "  source <(choreo completion bash)                  in ~/.bashrc\n"
                "  source <(choreo completion zsh)                   in ~/.zshrc, after compinit\n"
                "  choreo completion fish | source                   in ~/.config/fish/config.fish",
    .args = COMPLETE_SHELL,
    .offline = true,
    .run = run_completion,
};

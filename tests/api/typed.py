"""Types a line and a tab into an interactive shell, and waits for what the line becomes.

    typed.py SHELL LINE EXPECTED [EXPECTED...]     zsh or fish; choreo is found on $PATH

Exit code 1, and all that the shell wrote, if not all of EXPECTED shows within LIMIT_S."""
import os
import pty
import re
import select
import sys
import time

LIMIT_S = 20
STARTS = {
    'zsh': (['zsh', '-f', '-i'],
            "PS1='ready> '; autoload -U compinit; compinit -D; source <(choreo completion zsh)\n"),
    'fish': (['fish', '--no-config', '-i'],
             "function fish_prompt; echo -n 'ready> '; end; choreo completion fish | source\n"),
}


class Shell:
    def __init__(self, words):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ['TERM'] = 'xterm'
            os.environ['COLUMNS'] = '200'
            os.execvp(words[0], words)
        self.text = ''

    def type(self, keys):
        self.text = ''
        os.write(self.terminal, keys.encode())

    def shows(self, wanted):
        end = time.monotonic() + LIMIT_S
        while not all(w in plain(self.text) for w in wanted):
            ready, _, _ = select.select([self.terminal], [], [], 0.1)
            if ready:
                self.text += os.read(self.terminal, 65536).decode(errors='replace')
            elif time.monotonic() > end:
                return False
        return True

    def end(self):
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


def plain(text):
    """Without the terminal's commands and the cursor's way back."""
    text = re.sub(r'\x1b(\[[0-9;?<>=]*[a-zA-Z]|\][^\x07]*\x07|[()][A-Z0-9]|[=>78])', '', text)
    while '\b' in text:
        text = re.sub('[^\b]\b|^\b', '', text, count=1)
    return text


def main():
    name, line, wanted = sys.argv[1], sys.argv[2], sys.argv[3:]
    words, start = STARTS[name]
    shell = Shell(words)
    try:
        shell.type(start)
        if not shell.shows(['ready> ']):
            sys.exit(f'{name} does not start:\n{plain(shell.text)!r}')
        shell.type(line + '\t')
        if not shell.shows(wanted):
            sys.exit(f'{name} shows:\n{plain(shell.text)!r}')
        print('shown')
    finally:
        shell.end()


main()

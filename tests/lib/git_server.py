#!/usr/bin/env python3
"""A git server for tests: Debian's git http-backend behind Python's HTTP server, and faults.

    git_server.py DIRECTORY [CERTIFICATE KEY]     prints "PORT\n" once it serves, ends with its stdin

It makes DIRECTORY/{shop,empty,big}.git: shop has branches main (the default) and dev, an annotated
tag v1 on main's first commit and a branch and a tag called "both"; big has 20,000 branches more. The
first part of a path says how one is served:

    /plain/shop    as git serves it: version 2 to who asks for it
    /v0/shop       by a server that never heard of version 2
    /private/shop  to user "robot" with password "s3cret" alone
    /moved/shop    redirected to /plain/shop; /away/... to localhost by name; /round/... to itself
    /down/shop     redirected to http
    /html, /garbage, /cut, /endless, /silent, /busy, /broken: what they say

    POST /push/shop/main    makes a commit on a branch, answers its id

DIRECTORY/shop.refs has "NAME COMMIT" a line for each ref of shop.
DIRECTORY/requests.log has "METHOD PATH host=... protocol=... user=..." a line for each request.
"""
import base64
import http.server
import os
import ssl
import subprocess
import sys
import threading

ROOT = sys.argv[1]
TLS = sys.argv[2:4]
BACKEND = '/usr/lib/git-core/git-http-backend'
IDENTITY = {k: v for w in ('AUTHOR', 'COMMITTER') for k, v in (
    (f'GIT_{w}_NAME', 'test'), (f'GIT_{w}_EMAIL', 'test@example.com'),
    (f'GIT_{w}_DATE', '1700000000 +0000'))}
ENV = {'PATH': os.environ['PATH'], 'HOME': ROOT, 'GIT_CONFIG_NOSYSTEM': '1', **IDENTITY}
lock = threading.Lock()


def git(repository, *args):
    done = subprocess.run(['git', '-C', f'{ROOT}/{repository}.git', *args], env=ENV, check=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return done.stdout.decode().strip()


def push(repository, branch, message='more'):
    tree = git(repository, 'mktree')
    try:
        parents = ['-p', git(repository, 'rev-parse', '-q', '--verify', f'refs/heads/{branch}')]
    except subprocess.CalledProcessError:
        parents = []
    message = f'{message} {os.urandom(8).hex()}'
    commit = git(repository, 'commit-tree', tree, '-m', message, *parents)
    git(repository, 'update-ref', f'refs/heads/{branch}', commit)
    tell_refs(repository)
    return commit


def tell_refs(repository):
    commit = '%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)'
    refs = git(repository, 'for-each-ref', f'--format=%(refname) {commit}')
    with open(f'{ROOT}/{repository}.refs', 'w') as out:
        out.write(refs + '\n')


def make():
    for repository in ('shop', 'empty', 'big'):
        subprocess.run(['git', 'init', '-q', '--bare', '-b', 'main', f'{ROOT}/{repository}.git'],
                       env=ENV, check=True)
    first = push('shop', 'main')
    git('shop', 'tag', '-a', 'v1', '-m', 'first', first)
    push('shop', 'main')
    push('shop', 'dev')
    push('shop', 'both')
    git('shop', 'tag', 'both', first)
    tell_refs('shop')
    commit = push('big', 'main')
    with open(f'{ROOT}/big.git/packed-refs', 'w') as refs:
        refs.write('# pack-refs with: peeled fully-peeled sorted\n')
        refs.writelines(f'{commit} refs/heads/topic-{i:05}\n' for i in range(20000))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def reply(self, status, body=b'', headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, address):
        self.reply(302, headers=[('Location', address)])

    def user(self):
        word = self.headers.get('Authorization', '')
        return base64.b64decode(word[6:]).decode() if word.startswith('Basic ') else ''

    def backend(self, path, query, body, version2=True):
        protocol = self.headers.get('Git-Protocol', '') if version2 else ''
        env = {**ENV, 'GIT_PROJECT_ROOT': ROOT, 'GIT_HTTP_EXPORT_ALL': '1', 'PATH_INFO': path,
               'QUERY_STRING': query, 'REQUEST_METHOD': self.command, 'GIT_PROTOCOL': protocol,
               'CONTENT_TYPE': self.headers.get('Content-Type', ''),
               'CONTENT_LENGTH': str(len(body)), 'REMOTE_ADDR': '127.0.0.1'}
        out = subprocess.run([BACKEND], input=body, env=env, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL).stdout
        head, _, rest = out.partition(b'\r\n\r\n')
        headers = [tuple(line.split(': ', 1)) for line in head.decode().split('\r\n')]
        status = int(dict(headers).get('Status', '200').split()[0])
        self.reply(status, rest, [h for h in headers if h[0] != 'Status'])

    def advertise(self, body):
        self.reply(200, body, [('Content-Type', 'application/x-git-upload-pack-advertisement')])

    def endless(self):
        line = b'003f' + b'0' * 40 + b' refs/heads/more-and-more\n'
        line = b'%04x' % (len(line)) + line[4:]
        self.send_response(200)
        self.send_header('Content-Type', 'application/x-git-upload-pack-advertisement')
        self.send_header('Connection', 'close')
        self.end_headers()
        self.wfile.write(b'001e# service=git-upload-pack\n0000')
        try:
            while True:
                self.wfile.write(line * 10000)
        except OSError:
            self.close_connection = True

    def do(self):
        path, _, query = self.path.partition('?')
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        _, how, rest = (path + '/').split('/', 2)
        rest = rest.rstrip('/')
        here = f'{"https" if TLS else "http"}://127.0.0.1:{PORT}'
        host = self.headers.get('Host', '').partition(':')[0]
        with lock, open(f'{ROOT}/requests.log', 'a') as log:
            log.write(f'{self.command} {path} host={host} '
                      f'protocol={self.headers.get("Git-Protocol", "")} user={self.user()}\n')
        if how == 'push':
            return self.reply(200, push(*rest.split('/', 1)).encode())
        repository, _, rest = rest.partition('/')
        repository = repository.removesuffix('.git')
        inner = f'/{repository}.git/{rest}'
        asked = f'{rest}?{query}'
        if how == 'private' and self.user() != 'robot:s3cret':
            return self.reply(401, headers=[('WWW-Authenticate', 'Basic realm="git"')])
        if how in ('plain', 'private', 'v0'):
            return self.backend(inner, query, body, how != 'v0')
        if how == 'moved':
            return self.redirect(f'{here}/plain/{repository}/{asked}')
        if how == 'away':
            return self.redirect(f'{here.replace("127.0.0.1", "localhost")}/plain/{repository}/{asked}')
        if how == 'round':
            return self.redirect(f'{here}/round/{repository}/{asked}')
        if how == 'down':
            return self.redirect(f'http://127.0.0.1:{PORT}/plain/{repository}/{asked}')
        if how == 'html':
            return self.reply(200, b'<html>', [('Content-Type', 'text/html')])
        if how == 'garbage':
            return self.advertise(b'this is no pkt-line at all')
        if how == 'cut':
            return self.advertise(b'001e# service=git-upload-pack\n0000003f' + b'1' * 40)
        if how == 'endless':
            return self.endless()
        if how == 'busy':
            return self.reply(429, headers=[('Retry-After', '7')])
        if how == 'broken':
            return self.reply(500)
        if how == 'silent':
            return threading.Event().wait(60)
        return self.reply(404)

    do_GET = do
    do_POST = do


make()
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # clients that hang up are what is tested


server = Server(('127.0.0.1', 0), Handler)
PORT = server.server_address[1]
if TLS:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*TLS)
    server.socket = context.wrap_socket(server.socket, server_side=True,
                                        do_handshake_on_connect=False)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(PORT, flush=True)
sys.stdin.read()

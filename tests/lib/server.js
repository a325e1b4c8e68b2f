// server.js: the doors over memory (tests/api/server.c) for a test of its own: every kind, no controller.
//
//   const server = await start()   server.url, server.ca, server.token; await server.stop()
// It looks enough like a cluster (cluster.js) for lib/grpc.js.
'use strict';

const {spawn} = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const {until} = require('./cluster.js');

const program = path.join(process.env.CHOREO_BUILD || path.join(__dirname, '../../build/release'), 'tests/api-server');

async function start() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'api-server-'));
  const child = spawn(program, [dir], {stdio: ['ignore', 'ignore', 'pipe']});
  let log = '', over = false;
  child.stderr.on('data', data => { log += data; });
  const exited = new Promise(resolve => child.once('exit', code => { over = true; resolve(code); }));
  const url = await until('the server', () => {
    if (over) throw new Error(`api-server ended:\n${log}`);
    return fs.existsSync(path.join(dir, 'url')) && fs.readFileSync(path.join(dir, 'url'), 'utf8');
  });
  const ca = fs.readFileSync(path.join(dir, 'ca.crt'));
  return {
    url, ca, token: 'admin-token', dir,
    dev: {nodes: [{api: url}], token: 'admin-token'},
    log: () => log,
    async stop() {
      child.kill('SIGTERM');
      const code = await exited;
      fs.rmSync(dir, {recursive: true, force: true});
      return code;
    },
  };
}

module.exports = {start};

// cluster.js: a `choreod dev` of a test's own, in a temporary directory, on ports of its own.
//
//   const cluster = await start({nodes: 3, planes: ''})
//   cluster.dev           what dev.json says
//   await cluster.kill('node-1'), await cluster.restart('node-1')
//   await cluster.stop()  ends everything and removes the directory; after a failure keeps the logs
'use strict';

const {spawn, execFile} = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const {promisify} = require('node:util');

const bin = process.env.CHOREO_BIN || path.join(__dirname, '../../build/release/bin');

// A run of free ports: asked of the kernel one by one, which is as good as a test can do.
async function freePorts(count) {
  for (let tries = 0; tries < 50; tries++) {
    const base = 15000 + Math.floor(Math.random() * 17000); // below what the kernel hands out
    let free = true;
    for (let port = base; port < base + count && free; port++) {
      free = await new Promise(resolve => {
        const server = net.createServer();
        server.once('error', () => resolve(false));
        server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
      });
    }
    if (free) return base;
  }
  throw new Error('no free ports');
}

async function start({nodes = 3, shards = 4, planes = '', args = []} = {}) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'choreod-test-'));
  const port = await freePorts(10 * nodes + 10);
  const child = spawn(path.join(bin, 'choreod'),
      ['dev', '--dir', dir, '--nodes', String(nodes), '--shards', String(shards),
       '--planes', planes, '--base-port', String(port), ...args],
      {stdio: ['ignore', 'pipe', 'pipe']});
  let output = '';
  child.stderr.on('data', data => { output += data; });
  const exited = new Promise(resolve => child.once('exit', resolve));
  const dev = await new Promise((resolve, reject) => {
    child.stdout.on('data', data => {
      if (String(data).includes('ready')) {
        resolve(JSON.parse(fs.readFileSync(path.join(dir, 'dev.json'))));
      }
    });
    exited.then(code => reject(new Error(`choreod dev ended with ${code}:\n${output}`)));
  });
  const cluster = {
    dir, dev, bin,
    ca: fs.readFileSync(dev.ca),
    reload() {
      cluster.dev = JSON.parse(fs.readFileSync(path.join(dir, 'dev.json')));
      return cluster.dev;
    },
    node: name => cluster.dev.nodes.find(n => n.name === name),
    // Of one that is killed the end is waited for: until then it cannot be started again.
    async kill(name, signal = 'SIGKILL') {
      const {pid} = cluster.node(name);
      process.kill(pid, signal);
      if (signal === 'SIGKILL') await until(`${name} to be gone`, () => !isThere(pid));
    },
    async restart(name) {
      await promisify(execFile)(path.join(bin, 'choreod'), ['dev', 'restart', name, '--dir', dir]);
      return cluster.reload();
    },
    async choreo(...words) {
      const {stdout} = await promisify(execFile)(path.join(bin, 'choreo'),
          [...words, '--config', path.join(dir, 'choreo.yaml')], {maxBuffer: 64 << 20});
      return stdout;
    },
    // {shard: leader's name}
    async leaders() {
      const status = JSON.parse(await cluster.choreo('cluster', 'status', '-o', 'json'));
      return Object.fromEntries(status.shards.map(s => [s.shard, s.leader]));
    },
    async stop(keep = false) {
      child.kill('SIGTERM');
      const code = await exited;
      if (keep) {
        console.error(`the cluster's logs are in ${dir}/log`);
      } else {
        fs.rmSync(dir, {recursive: true, force: true});
      }
      return code;
    },
    output: () => output,
  };
  return cluster;
}

function isThere(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

// Asks until the answer is true; the last error or answer is in the failure.
async function until(what, ask, limitMs = 15000) {
  const end = Date.now() + limitMs;
  let last;
  for (;;) {
    try {
      last = await ask();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${limitMs} ms; last: ${last}`);
    await sleep(50);
  }
}

module.exports = {start, freePorts, sleep, until, bin};

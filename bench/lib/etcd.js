// etcd.js: the peer: three etcd members on loopback, over TLS, as `choreod dev` is for us.
//
//   const peer = await start(3)
//   await peer.put(member, key, value), await peer.leader(), peer.kill(member), await peer.restart(member)
//   await peer.stop()
//
// The few messages of its API that benches speak are written down here by field number: etcd is
// asked over gRPC, like us. Timing settings are etcd's defaults (heartbeat 100 ms, election 1 s).
'use strict';

const {execFileSync, spawn} = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const protobuf = require('protobufjs');
const {freePorts, sleep, until} = require('../../tests/lib/cluster.js');

const program = path.join(__dirname, '../../build/etcd/usr/bin/etcd');

const messages = protobuf.parse(`
  syntax = "proto3";
  message Header { uint64 member_id = 2; int64 revision = 3; uint64 raft_term = 4; }
  message KeyValue { bytes key = 1; bytes value = 5; }
  message PutRequest { bytes key = 1; bytes value = 2; }
  message PutResponse { Header header = 1; }
  message RangeRequest { bytes key = 1; }
  message RangeResponse { Header header = 1; repeated KeyValue kvs = 2; int64 count = 4; }
  message StatusRequest {}
  message StatusResponse { Header header = 1; uint64 leader = 4; }
  message WatchCreate { bytes key = 1; bytes range_end = 2; }
  message WatchRequest { WatchCreate create_request = 1; }
  message Event { int32 type = 1; KeyValue kv = 2; }
  message WatchResponse { Header header = 1; bool created = 3; repeated Event events = 11; }
`, {keepCase: true}).root;

const encode = (name, object) => {
  const type = messages.lookupType(name);
  return Buffer.from(type.encode(type.fromObject(object)).finish());
};
const method = (service, name, request, response, stream = false) => ({
  path: `/etcdserverpb.${service}/${name}`, requestStream: stream, responseStream: stream,
  requestSerialize: object => encode(request, object), requestDeserialize: bytes => bytes,
  responseSerialize: bytes => bytes,
  responseDeserialize: bytes => messages.lookupType(response).decode(bytes),
});
const Client = grpc.makeGenericClientConstructor({
  put: method('KV', 'Put', 'PutRequest', 'PutResponse'),
  range: method('KV', 'Range', 'RangeRequest', 'RangeResponse'),
  status: method('Maintenance', 'Status', 'StatusRequest', 'StatusResponse'),
  watch: method('Watch', 'Watch', 'WatchRequest', 'WatchResponse', true),
}, 'etcd');

// One certificate for all members, as clients and as servers.
function certificates(dir) {
  const openssl = (...words) => execFileSync('openssl', words, {cwd: dir, stdio: 'ignore'});
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  fs.writeFileSync(path.join(dir, 'san'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  openssl('req', '-x509', ...curve, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=bench');
  openssl('req', ...curve, '-keyout', 'tls.key', '-out', 'tls.csr', '-subj', '/CN=etcd');
  openssl('x509', '-req', '-in', 'tls.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial',
      '-out', 'tls.crt', '-days', '2', '-extfile', 'san');
}

class Etcd {
  constructor(dir, base, count) {
    this.dir = dir;
    this.members = Array.from({length: count}, (_, i) => ({
      name: `etcd-${i}`, number: i, api: `https://127.0.0.1:${base + 2 * i}`,
      peer: `https://127.0.0.1:${base + 2 * i + 1}`,
    }));
    this.ca = fs.readFileSync(path.join(dir, 'ca.crt'));
  }

  launch(member) {
    const file = name => path.join(this.dir, name);
    const log = fs.openSync(file(`${member.name}.log`), 'a');
    member.child = spawn(program, ['--name', member.name, '--data-dir', file(member.name),
      '--listen-client-urls', member.api, '--advertise-client-urls', member.api,
      '--listen-peer-urls', member.peer, '--initial-advertise-peer-urls', member.peer,
      '--initial-cluster', this.members.map(m => `${m.name}=${m.peer}`).join(','),
      '--cert-file', file('tls.crt'), '--key-file', file('tls.key'),
      '--peer-cert-file', file('tls.crt'), '--peer-key-file', file('tls.key'),
      '--peer-trusted-ca-file', file('ca.crt'), '--peer-client-cert-auth',
      '--logger', 'zap', '--log-level', 'warn'], {stdio: ['ignore', log, log]});
    fs.closeSync(log);
    member.ended = new Promise(resolve => member.child.once('exit', resolve));
    member.client = new Client(new URL(member.api).host, grpc.credentials.createSsl(this.ca),
        {'grpc.max_reconnect_backoff_ms': 100, 'grpc.initial_reconnect_backoff_ms': 20});
  }

  call(member, name, request, limitMs = 5000) {
    return new Promise((resolve, reject) => {
      member.client[name](request, {deadline: Date.now() + limitMs},
          (error, response) => error ? reject(error) : resolve(response));
    });
  }
  put(member, key, value) {
    return this.call(member, 'put', {key: Buffer.from(key), value: Buffer.from(value)});
  }

  // The member that leads, once all that live agree on it.
  leader() {
    return until('a leader of etcd', async () => {
      const answers = await Promise.all(this.members.map(m => this.call(m, 'status', {}, 1000)));
      const ids = new Set(answers.map(a => String(a.leader)));
      const led = answers.findIndex(a => String(a.header.member_id) === String(a.leader));
      return ids.size === 1 && led >= 0 && this.members[led];
    }, 30000);
  }

  kill(member) {
    member.child.kill('SIGKILL');
  }
  async restart(member) {
    await member.ended;
    member.client.close();
    this.launch(member);
  }

  async stop() {
    for (const m of this.members) {
      m.client.close();
      m.child.kill('SIGTERM');
    }
    await Promise.all(this.members.map(m => Promise.race([m.ended, sleep(5000).then(() => m.child.kill('SIGKILL'))])));
    fs.rmSync(this.dir, {recursive: true, force: true});
  }
}

async function start(count) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'etcd-bench-'));
  certificates(dir);
  const peer = new Etcd(dir, await freePorts(2 * count), count);
  peer.members.forEach(m => peer.launch(m));
  await peer.leader();
  return peer;
}

module.exports = {start, encode, found: () => fs.existsSync(program)};

// Logs of builds and of components through every node: Kubernetes' door (kubectl get --raw), gRPC and
// the CLI; builds that end while they are followed, nodes that die, clients that do not read,
// clusters that are down, and strangers.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const {execFile, spawn} = require('node:child_process');
const fs = require('node:fs');
const https = require('node:https');
const path = require('node:path');
const {promisify} = require('node:util');
const {start, until, bin} = require('../lib/cluster.js');
const {client: rest} = require('../lib/rest.js');
const {client: grpcClient, proto} = require('../lib/grpc.js');

const commit = letter => letter.repeat(40);
const runs = '/apis/choreo.dev/v1/namespaces/default/workflowruns';
const bindings = '/apis/choreo.dev/v1/namespaces/default/releasebindings';
let cluster, failed = false;

before(async () => {
  cluster = await start({nodes: 3, shards: 2, planes: 'development:us-west-2'});
}, {timeout: 90000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 60000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

const get = async (...words) => JSON.parse(await cluster.choreo('get', ...words, '-o', 'json'));
const apply = async (...objects) => {
  const file = path.join(cluster.dir, 'apply.json');
  fs.writeFileSync(file, JSON.stringify({apiVersion: 'v1', kind: 'List', items: objects}));
  return cluster.choreo('apply', '-f', file);
};
// Through one node, as somebody; '' is nobody.
const api = (node = 'node-1', token = cluster.dev.token) => rest({url: cluster.node(node).api, ca: cluster.ca, token});
async function read(where, options = {}) {
  const one = api(options.node, options.token);
  const answer = await one.ask('GET', where, {timeoutMs: 30000});
  one.close();
  return answer;
}
const kubectl = (node, ...words) => promisify(execFile)('kubectl',
    ['--kubeconfig', cluster.dev.kubeconfig, '--server', cluster.node(node).api, ...words], {maxBuffer: 64 << 20});
const component = (name, {annotations = {}, letter = 'a', ...spec} = {}) => ({
  apiVersion: 'choreo.dev/v1', kind: 'Component', metadata: {name, namespace: 'default'},
  spec: {type: 'service', endpoints: [{name: 'http', port: 8080}],
         source: {git: {repository: 'git.example.com/team/' + name, commit: commit(letter)}}, autoBuild: false,
         workflow: {name: 'dockerfile-builder', parameters: {podAnnotations: annotations}}, ...spec},
});
const runOf = (name, letter = 'a') => `${name}-build-${letter.repeat(12)}`;
const phase = async name => (await get('workflowrun', name)).status?.phase;
const ended = name => until(`the end of ${name}`, async () => ['Succeeded', 'Failed'].includes(await phase(name)));
const build = async (name, ...words) => {
  await cluster.choreo('build', name, ...words);
  return runOf(name);
};

check('a build that goes on is followed to its end, by kubectl', async () => {
  await apply({apiVersion: 'choreo.dev/v1', kind: 'DataPlane', metadata: {name: 'development'}, spec: {type: 'single-cluster'}});
  await cluster.choreo('annotate', 'dataplane', 'development',
      'choreo.dev/registry=registry.example.com/images', 'choreo.dev/build-plane=true', 'choreo.dev/argo-workflows=false');
  await apply(component('slow', {annotations: {'plane.choreo.dev/seconds': '4'}}));
  const run = await build('slow');
  // Asked at once, before anything runs, of a node that leads what it leads.
  const texts = await Promise.all(['node-1', 'node-2', 'node-3'].map(async node =>
    (await kubectl(node, 'get', '--raw', `${runs}/${run}/log?follow=true`)).stdout));
  for (const text of texts) {
    assert.match(text, /^\[checkout\] Initialized empty Git repository/);
    assert.match(text, new RegExp(`\\[checkout\\] HEAD is now at ${commit('a')}\n\\[build\\] #1 `));
    assert.match(text, /\[build\] #9 DONE\n$/);
    assert.equal(text, texts[0]);
  }
  await ended(run);
  assert.equal(await phase(run), 'Succeeded');
});

check('what is asked for is what comes', async () => {
  const log = `${runs}/${runOf('slow')}/log`;
  const all = await read(log);
  assert.equal(all.status, 200);
  assert.equal(all.headers['content-type'], 'text/plain');
  assert.equal((await read(`${log}?container=build`)).text, all.text.split('\n').filter(l => l.startsWith('[build]'))
      .map(l => l.replace('[build] ', '') + '\n').join(''));
  assert.equal((await read(`${log}?container=build&tailLines=2`)).text, '#9 pushing layers done\n#9 DONE\n');
  assert.equal((await read(`${log}?container=build&tailLines=0`)).text, '');
  assert.match((await read(`${log}?container=build&tailLines=1&timestamps=true`)).text,
               /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z #9 DONE\n$/);
  assert.equal((await read(`${log}?container=build&limitBytes=5`)).text, '#1 [i\n');
  for (const bad of ['tailLines=x', 'tailLines=-1', 'sinceSeconds=0', 'sinceTime=yesterday', 'limitBytes=0',
                     'sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z', 'follow=true&previous=true']) {
    const answer = await read(`${log}?${bad}`);
    assert.equal(answer.status, 422, bad);
    assert.equal(answer.json.reason, 'Invalid', bad);
  }
  assert.match((await read(`${log}?container=nobody`)).json.message, /no container "nobody"/);
  assert.equal((await read(`${runs}/none/log`)).status, 404);
  const one = api();
  for (const method of ['POST', 'PUT', 'DELETE']) {
    assert.equal((await one.ask(method, log, {body: {}})).status, 405, method);
  }
  assert.equal((await one.ask('GET', '/apis/choreo.dev/v1/namespaces/default/components/slow/log')).status, 404);
  const {json} = await one.ask('GET', '/apis/choreo.dev/v1');
  const found = json.resources.filter(r => r.name.endsWith('/log'));
  assert.deepEqual(found.map(r => [r.name, r.verbs]).sort(),
                   [['releasebindings/log', ['get']], ['workflowruns/log', ['get']]]);
  const {json: openapi} = await one.ask('GET', '/openapi/v3/apis/choreo.dev/v1');
  const entry = openapi.paths['/apis/choreo.dev/v1/namespaces/{namespace}/workflowruns/{name}/log'];
  assert.deepEqual(Object.keys(entry.get.responses['200'].content), ['text/plain']);
  assert.ok(entry.get.parameters.some(p => p.name === 'tailLines'));
  one.close();
});

check('a component is read by its binding, all pods at once', async () => {
  const image = 'nginx:1.27-alpine';
  await apply({apiVersion: 'choreo.dev/v1', kind: 'Component', metadata: {name: 'web', namespace: 'default'},
               spec: {type: 'service', image, endpoints: [{name: 'http', port: 8080}]}});
  await cluster.choreo('wait', 'component/web', '--timeout', '20s');
  const text = (await read(`${bindings}/web-development/log`, {node: 'node-3'})).text;
  assert.match(text, /^main: ready to serve\n/);
  await cluster.choreo('patch', 'releasebinding', 'web-development', '-p',
      JSON.stringify({spec: {componentTypeEnvironmentConfigs: {replicas: 2}}}));
  const both = await until('two pods', async () => {
    const now = (await read(`${bindings}/web-development/log?tailLines=1`)).text;
    return new Set(now.match(/^\[[^\]]+\]/gm)).size === 2 && now;
  });
  assert.match(both, /^\[web-development-[^\]/]+\] (main|request \d+)/);
  // Followed, it goes on until the client has had enough.
  const lines = await new Promise((resolve, reject) => {
    const seen = [];
    const request = https.request(`${cluster.node('node-2').api}${bindings}/web-development/log?follow=true&tailLines=1`,
        {ca: cluster.ca, agent: false, headers: {authorization: `Bearer ${cluster.dev.token}`}}, response => {
          response.on('data', data => {
            seen.push(...String(data).split('\n').filter(Boolean));
            if (seen.length >= 6) { request.destroy(); resolve(seen); }
          });
        });
    request.on('error', error => seen.length >= 6 ? resolve(seen) : reject(error));
    request.end();
  });
  assert.equal(new Set(lines.map(l => l.split(' ')[0])).size, 2);
});

check('gRPC streams the same, with where each line is from', async () => {
  const {stub, metadata, close} = grpcClient(proto.choreo.v1.LogService, cluster, {node: 1});
  const lines = [];
  const error = await new Promise(resolve => {
    const stream = stub.Read({ref: {resource: 'workflowruns.choreo.dev', namespace: 'default', name: runOf('slow')},
                              container: 'build', tail_lines: 1}, metadata());
    stream.on('data', message => lines.push(message));
    stream.on('error', resolve);
    stream.on('end', () => resolve());
  });
  assert.equal(error, undefined);
  assert.equal(lines.length, 1);
  assert.equal(String(lines[0].lines), '#9 DONE\n');
  assert.equal(lines[0].container, 'build');
  assert.equal(lines[0].cluster, 'development');
  const refused = await new Promise(resolve => {
    const stream = stub.Read({ref: {resource: 'components.choreo.dev', name: 'web'}}, metadata());
    stream.on('data', () => {});
    stream.on('error', resolve);
  });
  assert.equal(refused.code, 12);
  close();
});

check('the CLI follows, cuts and speaks JSON', async () => {
  const run = 'run/' + runOf('slow');
  assert.equal(await cluster.choreo('logs', run, '--container', 'build', '--tail', '2'), '#9 pushing layers done\n#9 DONE\n');
  const rows = (await cluster.choreo('logs', run, '--tail', '1', '-o', 'json')).trim().split('\n').map(l => JSON.parse(l));
  assert.deepEqual(rows.map(r => [r.cluster, r.container, r.line]),
                   [['development', 'checkout', 'HEAD is now at ' + commit('a')], ['development', 'build', '#9 DONE']]);
  assert.match(rows[1].time, /^\d{4}-.*Z$/);
  assert.match(await cluster.choreo('logs', run, '--container', 'build', '--tail', '1', '--timestamps'), /^\d{4}-\S+Z #9 DONE\n$/);
  assert.match(await cluster.choreo('logs', 'component/web', '--environment', 'development', '--tail', '1'), /^\[web-/);
  assert.match(await cluster.choreo('logs', 'web', '--tail', '1', '--since', '10m'), /^\[web-/);
  // Whoever has read enough ends it.
  const {stdout} = await promisify(execFile)('sh', ['-c', `"${bin}/choreo" logs web -f --config "${cluster.dir}/choreo.yaml" | head -n 2`]);
  assert.equal(stdout.split('\n').length, 3);
  for (const [words, code, say] of [
    [['logs'], 2, /whose log/], [['logs', 'run/none'], 1, /not found/], [['logs', 'component/none'], 1, /components\.choreo\.dev "none" not found/],
    [['logs', 'web', '-e', 'moon'], 1, /not bound in "moon"/], [['logs', 'web', '--tail', 'x'], 2, /--tail/],
    [['logs', 'project/default'], 1, /have no log/], [['logs', run, '--container', 'x'], 2, /no container "x"/]]) {
    await assert.rejects(cluster.choreo(...words), error => {
      assert.equal(error.code, code, error.stderr);
      assert.match(error.stderr, say);
      return true;
    });
  }
});

check('a build that fails shows the last of its log, and with --logs all of it', async () => {
  await apply(component('bad', {annotations: {'plane.choreo.dev/fail': 'there is no Makefile'}}));
  await assert.rejects(cluster.choreo('build', 'bad', '--wait', '--timeout', '20s'), error => {
    assert.equal(error.code, 1);
    const shown = error.stderr.split('\n').filter(l => l.startsWith('  '));
    assert.equal(shown.length, 15); // all that there was of two steps
    assert.equal(shown.at(-1), '  error: failed to solve: there is no Makefile');
    return true;
  });
  await assert.rejects(cluster.choreo('build', 'bad', '--wait', '--logs', '--timeout', '20s'), error => {
    assert.match(error.stderr, /\[checkout\] Initialized[^]*\[build\] #8 ERROR[^]*\[build\] error: failed to solve: there is no Makefile\n/);
    assert.equal(error.stderr.match(/^\[build\] error: failed to solve/gm).length, 1);
    return error.code === 1;
  });
});

check('of a failed run whose pod is gone, the end of its log is kept', async () => {
  const run = await get('workflowrun', runOf('bad'));
  assert.match(run.status.logTail, /^#1 \[internal\][^]*\nerror: failed to solve: there is no Makefile\n$/);
  assert.match(run.status.message, /there is no Makefile; its log says more: choreo logs run\/bad-build-a{12} -n default$/);
  const {kubeconfig} = cluster.dev.planes[0];
  const {namespace, name} = run.status.runReference;
  await promisify(execFile)('kubectl', ['--kubeconfig', kubeconfig, 'delete', 'job,pod', '-n', namespace, '-l',
                                        'choreo.dev/workflow-run=' + name]);
  const kept = await until('nothing but the status', async () => {
    const answer = await read(`${runs}/${runOf('bad')}/log`);
    return answer.headers.warning && answer;
  });
  assert.equal(kept.text, run.status.logTail);
  assert.match(kept.headers.warning, /there is no pod of it on cluster .* this is what its status keeps/);
  // A run that ended well keeps nothing: its image says it all.
  assert.equal((await get('workflowrun', runOf('slow'))).status.logTail, undefined);
});

check('strangers are refused, and a status cannot be forged', async () => {
  const admin = grpcClient(proto.choreo.v1.ClusterService, cluster);
  const token = async (user, groups) => (await admin.call('CreateToken', {purpose: 'USER', user, groups})).token;
  const stranger = await token('mallory', ['tenant-b']);
  const viewer = await token('ann', ['choreo:viewers']);
  admin.close();
  const log = `${runs}/${runOf('slow')}/log`;
  for (const where of [log, `${log}?follow=true`, `${bindings}/web-development/log`]) {
    const answer = await read(where, {token: stranger});
    assert.equal(answer.status, 403);
    assert.match(answer.json.message, /cannot get resource "(workflowruns|releasebindings)\/log" in API group "choreo.dev" in the namespace "default"/);
    assert.equal((await read(where, {token: ''})).status, 401);
  }
  assert.equal((await read(log, {token: viewer})).status, 200);
  const logs = grpcClient(proto.choreo.v1.LogService, cluster, {token: stranger});
  const refused = await new Promise(resolve => {
    const stream = logs.stub.Read({ref: {resource: 'workflowruns.choreo.dev', namespace: 'default', name: runOf('slow')}}, logs.metadata());
    stream.on('data', () => {});
    stream.on('error', resolve);
  });
  assert.equal(refused.code, 7);
  logs.close();
  // Tenant B has a run of the same name, and would have its status name tenant A's cluster and namespace.
  const victim = await get('workflowrun', runOf('slow'));
  await apply({apiVersion: 'choreo.dev/v1', kind: 'Organization', metadata: {name: 'tenant-b'}});
  const one = api();
  const theirs = '/apis/choreo.dev/v1/namespaces/tenant-b/workflowruns';
  const made = await one.ask('POST', theirs, {type: 'application/json', body: {metadata: {name: runOf('slow')},
    spec: {workflow: {name: 'no-such-workflow'}}}});
  assert.equal(made.status, 201, made.text);
  const forged = await one.ask('PATCH', `${theirs}/${runOf('slow')}/status`, {type: 'application/merge-patch+json',
    body: {status: {phase: 'Failed', runReference: victim.status.runReference}}});
  assert.equal(forged.status, 403, forged.text);
  const answer = await one.ask('GET', `${theirs}/${runOf('slow')}/log`);
  assert.equal(answer.status, 400);
  assert.match(answer.json.message, /it has not begun/);
  one.close();
});

check('a node that streams is killed: another goes on, and no line comes twice', async () => {
  await apply(component('long', {annotations: {'plane.choreo.dev/seconds': '8', 'plane.choreo.dev/log-lines': '200'}}));
  const run = await build('long');
  const endpoints = cluster.dev.nodes.map(n => ['--endpoint', n.api]).flat();
  const child = spawn(path.join(bin, 'choreo'), ['logs', 'run/' + run, '-f', '--config', path.join(cluster.dir, 'choreo.yaml'), ...endpoints],
                      {stdio: ['ignore', 'pipe', 'pipe']});
  let text = '', errors = '';
  child.stdout.on('data', data => { text += data; });
  child.stderr.on('data', data => { errors += data; });
  const exited = new Promise(resolve => child.once('exit', resolve));
  await until('some of the build', async () => /\[build\] #8 \d+/.test(text));
  const before = text.length;
  await cluster.kill('node-1'); // the first endpoint: it has answered
  assert.equal(await exited, 0, errors);
  assert.ok(text.length > before);
  const lines = text.split('\n');
  assert.match(text, /\[build\] #9 DONE\n$/);
  assert.equal(new Set(lines).size, lines.length, 'a line came twice');
  for (let i = 9; i < 200; i++) assert.ok(text.includes(`source${i}.o`), `line ${i} is missing`);
  await cluster.restart('node-1');
});

check('a client that does not read holds up nobody, and little is kept for it', async () => {
  await apply(component('huge', {annotations: {'plane.choreo.dev/seconds': '1', 'plane.choreo.dev/log-lines': '1000000'}}));
  const run = await build('huge');
  await ended(run);
  const node = cluster.node('node-2');
  const rss = () => Number(fs.readFileSync(`/proc/${node.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]);
  const before = rss();
  const request = https.request(`${node.api}${runs}/${run}/log?container=build`,
      {ca: cluster.ca, agent: false, headers: {authorization: `Bearer ${cluster.dev.token}`}});
  request.on('error', () => {});
  const response = await new Promise(resolve => { request.on('response', resolve); request.end(); });
  response.pause();
  const idle = await until('it to be quiet', async () => {
    const a = rss();
    for (let i = 0; i < 5; i++) assert.equal((await read(`${runs}/${runOf('slow')}/log?tailLines=1`, {node: 'node-2'})).status, 200);
    return Math.abs(rss() - a) < 512 && a;
  });
  assert.ok(idle - before < 24 * 1024, `${idle - before} KB for a client that does not read`);
  // It reads after all: the rest is there.
  let bytes = 0;
  response.on('data', data => { bytes += data.length; });
  response.resume();
  await new Promise((resolve, reject) => response.on('end', resolve).on('error', reject));
  assert.ok(bytes > 40 << 20, `${bytes} bytes`);
});

check('what Argo runs is read by the same labels', async () => {
  await cluster.choreo('annotate', 'dataplane', 'development', 'choreo.dev/argo-workflows-');
  await apply(component('argo', {annotations: {'plane.choreo.dev/seconds': '2'}}));
  const run = await build('argo');
  const text = (await read(`${runs}/${run}/log?follow=true`, {node: 'node-2'})).text;
  assert.match(text, /^\[checkout\] Initialized[^]*\n\[main\] #1 [^]*\[main\] #9 DONE\n$/);
  assert.equal((await get('workflowrun', run)).status.runReference.kind, 'Workflow');
});

check('a tenant has so many logs of a node at a time, and takes none of the others', async () => {
  const open = [], codes = [];
  for (let i = 0; i < 40; i++) {
    codes.push(await new Promise((resolve, reject) => {
      const request = https.request(`${cluster.node('node-3').api}${bindings}/web-development/log?follow=true&tailLines=0`,
          {ca: cluster.ca, agent: false, headers: {authorization: `Bearer ${cluster.dev.token}`}}, response => {
            response.on('data', () => {});
            response.on('error', () => {});
            resolve(response.statusCode);
          });
      request.on('error', reject);
      request.end();
      open.push(request);
    }));
  }
  assert.deepEqual([codes.filter(c => c === 200).length, codes.filter(c => c === 429).length], [32, 8]);
  const refused = await read(`${runs}/${runOf('slow')}/log`, {node: 'node-3'});
  assert.equal(refused.status, 429);
  assert.match(refused.json.message, /logs of namespace "default": too many/);
  assert.equal((await read(`/apis/choreo.dev/v1/namespaces/tenant-b/workflowruns/${runOf('slow')}/log`, {node: 'node-3'})).status, 400);
  for (const request of open) { request.on('error', () => {}); request.destroy(); }
  await until('room again', async () => (await read(`${runs}/${runOf('slow')}/log`, {node: 'node-3'})).status === 200);
});

check('a cluster that is down says so at once, and what is kept is there all the same', async () => {
  const plane = cluster.dev.planes[0];
  process.kill(plane.pid, 'SIGSTOP');
  process.kill(plane.pid, 'SIGKILL');
  const answer = await read(`${runs}/${runOf('slow')}/log`, {node: 'node-3'});
  assert.equal(answer.status, 502);
  assert.equal(answer.json.kind, 'Status');
  assert.match(answer.json.message, /cannot read pods of cluster "development" of data plane "development": /);
  assert.equal((await read(`${bindings}/web-development/log?follow=true`)).status, 502);
  await assert.rejects(cluster.choreo('logs', 'run/' + runOf('slow')), error => /cannot read pods of cluster/.test(error.stderr));
  assert.match(await cluster.choreo('logs', 'run/' + runOf('bad')), /there is no Makefile\n$/);
});

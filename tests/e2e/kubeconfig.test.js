// Credentials that are none, and credentials that lead nowhere: the DataPlane says so, and the other
// clusters' work does not wait for them.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const {spawn} = require('node:child_process');
const net = require('node:net');
const {start, until} = require('../lib/cluster.js');

let cluster, silent, failed = false;

before(async () => {
  cluster = await start({nodes: 3, planes: 'development:us-west-2'});
  // Takes connections and never says a word: the slowest way to be nowhere.
  silent = net.createServer(() => {});
  await new Promise(resolve => silent.listen(0, '127.0.0.1', resolve));
}, {timeout: 90000});
after(async () => {
  silent.close();
  assert.equal(await cluster.stop(failed), 0);
});

const check = (name, run) => test(name, {timeout: 90000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

function kubectl(words, input = '', kubeconfig = cluster.dev.kubeconfig) {
  return new Promise((resolve, reject) => {
    const child = spawn('kubectl', ['--kubeconfig', kubeconfig, ...words]);
    let out = '', err = '';
    child.stdout.on('data', data => { out += data; });
    child.stderr.on('data', data => { err += data; });
    child.on('exit', code => code === 0 ? resolve(out) : reject(new Error(err)));
    child.stdin.end(input);
  });
}
const apply = (...objects) => kubectl(['apply', '-f', '-'],
    JSON.stringify({apiVersion: 'v1', kind: 'List', items: objects}));

const plane = name => ({apiVersion: 'choreo.dev/v1', kind: 'DataPlane', metadata: {name}, spec: {type: 'single-cluster'}});
const organization = (name, dataPlane) => ({apiVersion: 'choreo.dev/v1', kind: 'Organization', metadata: {name}, spec: {dataPlane}});
const component = (namespace, name) => ({apiVersion: 'choreo.dev/v1', kind: 'Component',
  metadata: {name, namespace}, spec: {type: 'service', image: 'nginx:1.27-alpine', endpoints: [{name: 'api', port: 8080}]}});
const credentials = (name, data) => ({apiVersion: 'v1', kind: 'Secret',
  metadata: {name: `cluster-${name}-${name}`, namespace: 'choreo-system'}, stringData: data});
const kubeconfig = server => JSON.stringify({apiVersion: 'v1', kind: 'Config', 'current-context': 'c',
  contexts: [{name: 'c', context: {cluster: 'c', user: 'u'}}], users: [{name: 'u', user: {token: 't'}}],
  clusters: [{name: 'c', cluster: {server, 'insecure-skip-tls-verify': true}}]});

const bad = {
  words: {data: {kubeconfig: 'this is no kubeconfig: ['}, says: /Secret choreo-system\/cluster-words-words: .*kubeconfig/},
  keyless: {data: {config: 'x'}, says: /Secret choreo-system\/cluster-keyless-keyless: there is no key "kubeconfig"/},
  contextless: {data: {kubeconfig: '{"current-context": "x"}'}, says: /cluster-contextless-contextless: kubeconfig: there is no context "x"/},
  refused: {data: {kubeconfig: kubeconfig('https://127.0.0.1:1')}, says: /kubeconfig in Secret choreo-system\/cluster-refused-refused right\?/},
  silent: {data: () => ({kubeconfig: kubeconfig(`https://127.0.0.1:${silent.address().port}`)}), says: /cluster-silent-silent right\?/},
};

check('each plane says what is wrong with its credentials', async () => {
  for (const [name, {data}] of Object.entries(bad)) {
    await apply(plane(name), credentials(name, data instanceof Function ? data() : data));
  }
  for (const [name, {says}] of Object.entries(bad)) {
    const ready = await until(`${name}: ${says}`, async () => {
      const object = JSON.parse(await kubectl(['get', 'dataplane', name, '-o', 'json']));
      const condition = object.status?.conditions?.find(c => c.type === 'Ready');
      return condition?.reason === 'Unreachable' && says.test(condition.message) && condition;
    }, 40000);
    assert.equal(ready.status, 'False');
  }
});

check('a cluster that answers is not delayed by those that do not', async () => {
  await apply(plane('development'));
  for (const name of Object.keys(bad)) {
    await apply(organization(`org-${name}`, name));
    await apply(...[1, 2, 3, 4].map(n => component(`org-${name}`, `lost-${n}`)));
  }
  await apply(organization('org-well', 'development'));
  const begun = Date.now();
  await apply(component('org-well', 'found'));
  await cluster.choreo('wait', 'component/found', '-n', 'org-well', '--timeout', '30s');
  const took = Date.now() - begun;
  assert.ok(took < 10000, `it took ${took} ms`);
});

check('credentials that are mended connect', async () => {
  const right = cluster.dev.planes[0];
  const text = require('node:fs').readFileSync(right.kubeconfig, 'utf8');
  await apply(credentials('words', {kubeconfig: text}));
  await until('the plane to answer', async () => {
    const object = JSON.parse(await kubectl(['get', 'dataplane', 'words', '-o', 'json']));
    return object.status.conditions.find(c => c.type === 'Ready').status === 'True';
  }, 30000);
});

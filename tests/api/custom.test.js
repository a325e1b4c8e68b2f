// Custom kinds on three nodes: defined on one, served by all, through leaders that move and die.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const https = require('node:https');
const path = require('node:path');
const {start, until} = require('../lib/cluster.js');
const {proto, client, json, parse} = require('../lib/grpc.js');

module.paths.push(path.join(__dirname, '../node_modules'));
let k8s, cluster, config, custom, failed = false;
const group = 'stable.example.com', version = 'v1', plural = 'widgets', namespace = 'default';
const crdPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const objects = `/apis/${group}/${version}/namespaces/${namespace}/${plural}`;

before(async () => {
  k8s = await import('@kubernetes/client-node');
  cluster = await start({nodes: 3});
  config = new k8s.KubeConfig();
  config.loadFromFile(cluster.dev.kubeconfig);
  custom = config.makeApiClient(k8s.CustomObjectsApi);
}, {timeout: 90000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 90000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

// One request at the node of that index: {status, body}.
function ask(node, method, path, body, type = 'application/json') {
  const url = new URL(path, cluster.dev.nodes[node].api);
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const request = https.request(url, {method, ca: cluster.ca, agent: false, timeout: 10000,
      headers: {authorization: `Bearer ${cluster.dev.token}`, 'content-type': type}}, response => {
      let data = '';
      response.on('data', chunk => { data += chunk; });
      response.on('end', () => {
        try { resolve({status: response.statusCode, body: JSON.parse(data)}); } catch (e) { reject(e); }
      });
    });
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.end(text);
  });
}

// Asked again while no leader is there, as any careful client does.
async function insist(node, method, path, body, type) {
  return until(`${method} ${path}`, async () => {
    const answer = await ask(node, method, path, body, type).catch(() => ({status: 503}));
    return answer.status < 500 && answer.status !== 429 && answer;
  });
}

const definition = (properties = {}) => ({
  apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition',
  metadata: {name: `${plural}.${group}`},
  spec: {group, scope: 'Namespaced', names: {plural, kind: 'Widget', shortNames: ['wd']},
    versions: [{name: version, served: true, storage: true,
      additionalPrinterColumns: [{name: 'N', type: 'integer', jsonPath: '.spec.n'}],
      schema: {openAPIV3Schema: {type: 'object', properties: {spec: {type: 'object', required: ['n'],
        'x-kubernetes-validations': [{rule: 'self.n < 100000', message: 'n is too large'}],
        properties: {n: {type: 'integer'}, colour: {type: 'string', default: 'blue'}, ...properties}}}}}}]},
});
const widget = (name, n) => ({apiVersion: `${group}/${version}`, kind: 'Widget', metadata: {name}, spec: {n}});
const isEstablished = crd =>
  crd.status?.conditions?.some(c => c.type === 'Established' && c.status === 'True');

check('what one node calls established, every node serves', async () => {
  const began = Date.now();
  assert.equal((await insist(0, 'POST', crdPath, definition())).status, 201);
  await until('established', async () =>
    isEstablished((await ask(0, 'GET', `${crdPath}/${plural}.${group}`)).body), 5000);
  const took = Date.now() - began;
  for (const node of [1, 2, 0]) {
    const list = await ask(node, 'GET', objects);
    assert.equal(list.status, 200, JSON.stringify(list.body));
    assert.equal(list.body.kind, 'WidgetList');
  }
  assert.ok(took < 1000, `it took ${took} ms`);
  assert.equal((await ask(1, 'GET', `/apis/${group}/${version}/namespaces/default/nothings`)).status, 404);
});

check('created on one node, read on the others, by REST and gRPC', async () => {
  const created = await ask(1, 'POST', objects, widget('one', 1));
  assert.equal(created.status, 201);
  assert.equal(created.body.spec.colour, 'blue');
  for (const node of [0, 2]) {
    assert.equal((await ask(node, 'GET', `${objects}/one`)).body.metadata.uid, created.body.metadata.uid);
    const all = await ask(node, 'GET', `/apis/${group}/${version}/${plural}`);
    assert.deepEqual(all.body.items.map(i => i.metadata.name), ['one']);
  }
  const refused = await ask(2, 'POST', objects, widget('huge', 100000));
  assert.equal(refused.status, 422);
  assert.match(refused.body.message, /spec: Invalid value: "object": n is too large/);
  const resources = client(proto.choreo.v1.ResourceService, cluster, {node: 2});
  try {
    const ref = {group, resource: plural, namespace, name: 'one'};
    const read = await resources.call('Get', {ref});
    assert.equal(parse(read.object).spec.n, 1);
    const made = await resources.call('Create', {object: json({...widget('two', 2), metadata: {name: 'two', namespace}})});
    assert.equal(parse(made.object).spec.colour, 'blue');
    await resources.call('Delete', {ref: {...ref, name: 'two'}});
    const {kinds} = await resources.call('Kinds', {});
    assert.ok(kinds.some(k => k.kind === 'Widget'), 'widgets are among the kinds');
  } finally {
    resources.close();
  }
});

check('a changed schema holds on every node', async () => {
  const changed = definition({size: {type: 'string', default: 'm', enum: ['s', 'm', 'l']}});
  const older = await insist(0, 'POST', objects, widget('older', 1));
  assert.equal(older.status, 201, JSON.stringify(older.body));
  const answer = await insist(2, 'PATCH', `${crdPath}/${plural}.${group}`, {spec: changed.spec}, 'application/merge-patch+json');
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  for (const node of [0, 1, 2]) {
    await until(`the default on node ${node}`, async () => {
      const made = await ask(node, 'POST', `${objects}?dryRun=All`, widget('dry', 1));
      return made.body.spec?.size === 'm';
    }, 2000);
    const one = await ask(node, 'GET', `${objects}/older`); // written without it, and not written since
    assert.equal(one.body.spec.size, 'm');
    assert.equal(one.body.metadata.resourceVersion, older.body.metadata.resourceVersion);
    const all = await ask(node, 'GET', objects);
    assert.equal(all.body.items.find(o => o.metadata.name === 'older').spec.size, 'm');
  }
  const resources = client(proto.choreo.v1.ResourceService, cluster);
  const got = await resources.call('Get', {ref: {group, version, resource: plural, namespace, name: 'older'}, form: 'FORM_JSON'});
  assert.equal(parse(got.object).spec.size, 'm');
  resources.close();
  assert.equal((await insist(0, 'DELETE', `${objects}/older`)).status, 200);
  const wrong = await ask(1, 'POST', objects, {...widget('xl', 1), spec: {n: 1, size: 'xl'}});
  assert.match(wrong.body.message, /spec.size: Unsupported value: "xl": supported values: "s", "m", "l"/);
});

check('an informer sees every change in order, through leaders that move and die', async () => {
  const seen = [];
  const where = {group, version, namespace, plural};
  const informer = k8s.makeInformer(config, objects, () => custom.listNamespacedCustomObject(where));
  const note = o => seen.push([o.metadata.name, o.spec.n, BigInt(o.metadata.resourceVersion)]);
  informer.on('add', note);
  informer.on('update', note);
  let restarts = 0, stopped = false;
  informer.on('error', () => {
    restarts++;
    if (!stopped) setTimeout(() => stopped || informer.start().catch(() => {}), 100);
  });
  await informer.start();
  const served = cluster.dev.nodes[0].name; // the node that the kubeconfig names must live
  let n = 10;
  const writes = async count => {
    for (let i = 0; i < count; i++, n++) {
      const name = `seen-${n % 5}`;
      const answer = n < 15 ? await insist(0, 'POST', objects, widget(name, n))
        : await insist(0, 'PATCH', `${objects}/${name}`, {spec: {n}}, 'application/merge-patch+json');
      assert.ok(answer.status < 300 || answer.status === 409, JSON.stringify(answer.body));
    }
  };
  await writes(10);
  for (let round = 0; round < 3; round++) {
    const leaders = await until('leaders', async () => {
      const l = await cluster.leaders();
      return Object.values(l).every(Boolean) && l;
    });
    const victim = Object.values(leaders).find(name => name !== served);
    if (victim && round === 1) {
      await cluster.kill(victim);
      await writes(15);
      await cluster.restart(victim);
    } else {
      for (const shard of Object.keys(leaders)) {
        const to = cluster.dev.nodes.map(d => d.name).find(name => name !== leaders[shard]);
        await cluster.choreo('cluster', 'transfer', shard, to).catch(() => {});
      }
      await writes(15);
    }
  }
  await until('the last change', () => seen.some(([, value]) => value === n - 1));
  stopped = true;
  await informer.stop();
  for (let i = 0; i < 5; i++) {
    const values = seen.filter(s => s[0] === `seen-${i}`).map(s => s[1]);
    if (restarts === 0) {
      assert.deepEqual(values, Array.from({length: n - 10}, (_, k) => k + 10).filter(k => k % 5 === i));
    }
    assert.ok(values.every((v, k) => k === 0 || v >= values[k - 1]), `seen-${i}: ${values}`);
  }
  // The node that was killed serves the kind again as soon as it is back.
  for (const node of [0, 1, 2]) {
    const list = await insist(node, 'GET', objects);
    assert.equal(list.status, 200, JSON.stringify(list.body));
    assert.equal(list.body.items.length, 6);
  }
});

check('a cluster-scoped kind is one list on every node', async () => {
  const crd = definition();
  crd.metadata.name = `zones.${group}`;
  Object.assign(crd.spec, {scope: 'Cluster', names: {plural: 'zones', kind: 'Zone'}});
  assert.equal((await insist(1, 'POST', crdPath, crd)).status, 201);
  await until('established', async () => isEstablished((await ask(1, 'GET', `${crdPath}/zones.${group}`)).body));
  const zones = `/apis/${group}/${version}/zones`;
  for (const node of [0, 1, 2]) {
    const zone = {apiVersion: `${group}/${version}`, kind: 'Zone', metadata: {name: `z${node}`}, spec: {n: node}};
    assert.equal((await insist(node, 'POST', zones, zone)).status, 201);
  }
  for (const node of [0, 1, 2]) {
    const list = await ask(node, 'GET', zones);
    assert.deepEqual(list.body.items.map(i => i.metadata.name), ['z0', 'z1', 'z2']);
  }
});

check('a namespace that goes takes its custom objects along', async () => {
  assert.equal((await insist(0, 'POST', '/api/v1/namespaces', {apiVersion: 'v1', kind: 'Namespace', metadata: {name: 'passing'}})).status, 201);
  const inside = `/apis/${group}/${version}/namespaces/passing/${plural}`;
  assert.equal((await insist(1, 'POST', inside, widget('inside', 1))).status, 201);
  await insist(2, 'DELETE', '/api/v1/namespaces/passing');
  await until('the namespace is gone', async () =>
    (await ask(0, 'GET', '/api/v1/namespaces/passing')).status === 404, 30000);
  assert.deepEqual((await ask(1, 'GET', inside)).body.items, []);
});

check('a deleted definition takes its objects along, on every node', async () => {
  const leaders = await cluster.leaders();
  await insist(0, 'DELETE', `${crdPath}/${plural}.${group}`);
  const to = cluster.dev.nodes.map(d => d.name).find(name => name !== leaders[0]);
  await cluster.choreo('cluster', 'transfer', '0', to).catch(() => {}); // another one finishes it
  await until('the definition is gone', async () =>
    (await ask(1, 'GET', `${crdPath}/${plural}.${group}`)).status === 404);
  for (const node of [0, 1, 2]) {
    await until(`node ${node} lets go`, async () => (await ask(node, 'GET', objects)).status === 404, 2000);
  }
  assert.equal((await insist(2, 'POST', crdPath, definition())).status, 201);
  await until('it is established again', async () =>
    isEstablished((await ask(1, 'GET', `${crdPath}/${plural}.${group}`)).body), 5000);
  const list = await ask(0, 'GET', objects);
  assert.deepEqual(list.body.items, []);
});

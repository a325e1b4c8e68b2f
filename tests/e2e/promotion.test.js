// A release on its way through its pipeline, on three nodes and three simulated clusters: refused,
// held, approved by another, rolled back by itself, and not lost when leaders die.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const https = require('node:https');
const path = require('node:path');
const {start, until} = require('../lib/cluster.js');
const {platform, edge, condition, fails} = require('../lib/platform.js');

const environments = ['development', 'staging', 'production'];
let cluster, failed = false;

before(async () => {
  // Two shards: all of the platform is in the second, whose leader is the one that matters.
  cluster = await start({nodes: 3, shards: 2, planes: environments.map(e => `${e}:us-west-2`).join(',')});
}, {timeout: 90000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 60000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

// ---- people ----

const people = {};
const {faults, on, person} = platform(() => cluster);

// A request to the REST door; resolves with its status and body.
function rest(user, method, url, body) {
  const text = body === undefined ? '' : JSON.stringify(body);
  const node = cluster.dev.nodes.find(n => n.name !== cluster.dead) ?? cluster.dev.nodes[0];
  return new Promise((resolve, reject) => {
    const request = https.request(new URL(url, node.api), {
      method, ca: cluster.ca, timeout: 20000,
      headers: {authorization: `Bearer ${people[user].token}`,
                'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'},
    }, response => {
      let all = '';
      response.on('data', data => { all += data; });
      response.on('end', () => resolve({status: response.statusCode, body: JSON.parse(all)}));
    });
    request.on('error', reject);
    request.end(text);
  });
}

const base = '/apis/choreo.dev/v1/namespaces/default';
const get = async (...words) => JSON.parse(await people.root.choreo('get', ...words, '-o', 'json'));
const binding = environment => get('releasebinding', `web-${environment}`);
const apply = async (user, ...objects) => {
  const file = path.join(cluster.dir, 'apply.json');
  fs.writeFileSync(file, JSON.stringify({apiVersion: 'v1', kind: 'List', items: objects}));
  return people[user].choreo('apply', '-f', file);
};
const latest = async () => (await get('component', 'web')).status?.latestRelease?.name;

// What runs on an environment's cluster.
async function image(environment) {
  const all = await on(environment, 'deployments');
  const found = all.find(d => d.metadata.labels['openchoreo.dev/component'] === 'web');
  return found?.spec.template.spec.containers[0].image;
}

const component = image => ({
  apiVersion: 'choreo.dev/v1', kind: 'Component', metadata: {name: 'web', namespace: 'default'},
  spec: {project: 'shop', type: 'service', image, endpoints: [{name: 'http', port: 80}]},
});
// ---- the story ----

check('alice, bob, carol and a platform', async () => {
  people.root = await person('root', 'system:masters');
  people.alice = await person('alice', 'system:masters');
  people.bob = await person('bob', 'system:masters', 'release-managers');
  people.carol = await person('carol', 'choreo:viewers', 'release-managers');
  people.dave = await person('dave', 'choreo:viewers', 'developers');
  people.ci = await person('ci', 'choreo:testers');
  await apply('root',
      ...environments.map(name => ({apiVersion: 'choreo.dev/v1', kind: 'DataPlane', metadata: {name}, spec: {type: 'single-cluster'}})),
      ...environments.map(name => ({apiVersion: 'choreo.dev/v1', kind: 'Environment', metadata: {name, namespace: 'default'},
                                    spec: {dataPlane: name}})),
      {apiVersion: 'choreo.dev/v1', kind: 'Environment', metadata: {name: 'sandbox', namespace: 'default'}, spec: {dataPlane: 'development'}},
      {apiVersion: 'choreo.dev/v1', kind: 'DeploymentPipeline', metadata: {name: 'careful', namespace: 'default'},
       spec: {promotionPaths: [
         edge('development', 'staging', {requiredTests: ['smoke']}),
         edge('staging', 'production', {requiresApproval: true, approverGroups: ['release-managers'], healthyFor: '1s'}),
       ]}},
      {apiVersion: 'choreo.dev/v1', kind: 'Project', metadata: {name: 'shop', namespace: 'default'}, spec: {deploymentPipeline: 'careful'}});
  await apply('alice', component('nginx:1.27'));
  await until('development to run it', async () => condition(await binding('development'), 'Ready')?.status === 'True');
});

check('the release and the component say whose they are, whatever a client says', async () => {
  const release = await get('release', await latest());
  assert.equal(release.metadata.annotations['choreo.dev/authors'], '["alice"]');
  await rest('alice', 'PATCH', `${base}/releases/${release.metadata.name}`,
      {metadata: {annotations: {'choreo.dev/authors': '["bob"]'}}});
  assert.equal((await get('release', release.metadata.name)).metadata.annotations['choreo.dev/authors'], '["alice"]');
});

check('an environment that the pipeline does not reach is refused at the door', async () => {
  const name = await latest();
  await fails(people.alice.choreo('promote', 'web', '--to', 'sandbox', '--release', name), 1,
      /pipeline "careful" does not lead to environment "sandbox": it goes development -> staging, staging -> production/);
  const raw = await rest('alice', 'POST', `${base}/releasebindings`, {
    metadata: {name: 'sneaky'},
    spec: {owner: {projectName: 'shop', componentName: 'web'}, environment: 'sandbox', releaseName: name},
  });
  assert.equal(raw.status, 422);
  assert.match(raw.body.message, /does not lead to environment "sandbox"/);
  assert.deepEqual(raw.body.details.causes,
      [{reason: 'FieldValueInvalid', message: raw.body.message, field: 'spec'}]);
});

check('a release that was never healthy in the source is refused at the door', async () => {
  await fails(people.alice.choreo('promote', 'web', '--to', 'production', '--release', await latest()), 1,
      /has never been healthy in "staging", from where pipeline "careful" leads to "production"/);
});

check('nobody writes the status of a binding', async () => {
  const {status, body} = await rest('alice', 'PATCH', `${base}/releasebindings/web-development/status`,
      {status: {history: []}});
  assert.equal(status, 403, body.message);
});

check('a test that has not reported holds the release; when it passes, it goes on', async () => {
  const release = await latest();
  await people.alice.choreo('promote', 'web', '--to', 'staging', '--reason', 'first time');
  await until('it to be held', async () => condition(await binding('staging'), 'Promoted')?.reason === 'AwaitingTests');
  assert.equal(await image('staging'), undefined);
  const result = passed => ({
    apiVersion: 'choreo.dev/v1', kind: 'TestResult', metadata: {generateName: 'smoke-'},
    spec: {component: 'web', release, environment: 'development', test: 'smoke', passed, by: 'alice'},
  });
  assert.equal((await rest('dave', 'POST', `${base}/testresults`, result(true))).status, 403);
  const {status, body} = await rest('ci', 'POST', `${base}/testresults`, result(true));
  assert.equal(status, 201, body.message);
  assert.equal(body.spec.by, 'ci');
  await until('staging to run it', async () => condition(await binding('staging'), 'Ready')?.status === 'True');
  assert.equal(await image('staging'), 'nginx:1.27');
});

const approval = (more = {}) => ({
  apiVersion: 'choreo.dev/v1', kind: 'ReleaseApproval', metadata: {generateName: 'a-'},
  spec: {component: 'web', environment: 'production', ...more},
});

check('neither an author, nor who asked, nor just anybody approves; nor in another\'s name', async () => {
  const release = await latest();
  await people.bob.choreo('promote', 'web', '--to', 'production', '--reason', 'the first release');
  const held = await until('it to be held', async () => {
    const b = await binding('production');
    return condition(b, 'Promoted')?.status === 'False' && b;
  });
  assert.equal(held.metadata.annotations['choreo.dev/requested-by'], 'bob');
  await fails(people.alice.choreo('approve', 'web', '--to', 'production'), 4, /"alice" is an author of release/);
  await fails(people.bob.choreo('approve', 'web', '--to', 'production'), 4, /"bob" asked for the promotion/);
  await fails(people.dave.choreo('approve', 'web', '--to', 'production'), 4,
      /"dave" may not approve this: "staging" -> "production" is approved by group "release-managers"/);
  const forged = await rest('alice', 'POST', `${base}/releaseapprovals`,
      approval({release, by: 'carol', groups: ['release-managers']}));
  assert.equal(forged.status, 403, forged.body.message);
  assert.match(forged.body.message, /"alice" is an author/);
  assert.equal((await get('releaseapprovals')).items.length, 0);
});

check('another approves, and the leader dies at once: it goes on, and the history says who', async () => {
  const victim = (await cluster.leaders())[1];
  const words = await people.carol.choreo('approve', 'web', '--to', 'production', '--reason', 'looks good');
  assert.match(words, /approves release web-[0-9a-f]+ for production/);
  cluster.dead = victim;
  await cluster.kill(victim);
  await until('production to run it', async () => condition(await binding('production'), 'Ready')?.status === 'True', 30000);
  assert.equal(await image('production'), 'nginx:1.27');
  await cluster.restart(victim);
  cluster.dead = undefined;
  const rows = JSON.parse(await people.dave.choreo('history', 'web', '-e', 'production', '-o', 'json'));
  assert.equal(rows.length, 1);
  const {environment, by, approvedBy, reason, outcome} = rows[0];
  assert.deepEqual({environment, by, approvedBy, reason, outcome},
      {environment: 'production', by: 'bob', approvedBy: ['carol'], reason: 'the first release', outcome: 'Healthy'});
});

check('a broken image is taken back by itself, once, and stays back', async () => {
  const good = await latest();
  await faults('development', {neverReady: ['*broken*']});
  await people.root.choreo('patch', 'deploymentpipeline', 'careful', '-p', '{"spec":{"progressDeadline":"2s"}}');
  await apply('bob', component('registry.example/broken:never'));
  await until('it to be tried', async () => (await binding('development')).status.history[0].release !== good, 20000);
  const [newest] = JSON.parse(await people.dave.choreo('history', 'web', '-e', 'development', '--wait', '-o', 'json'));
  assert.match(newest.outcome, /^(Healthy|RolledBack)$/); // of what it went back to, or is about to
  const back = await until('the rollback', async () => {
    const b = await binding('development');
    return condition(b, 'RolledBack')?.status === 'True' && b.status.history[0].outcome === 'Healthy' && b;
  }, 20000);
  const bad = back.spec.releaseName;
  assert.notEqual(bad, good);
  assert.equal(back.status.releaseName, good);
  assert.equal(condition(back, 'Ready').reason, 'RolledBack');
  assert.deepEqual(back.status.history.slice(0, 3).map(h => [h.release, h.outcome]),
      [[good, 'Healthy'], [bad, 'RolledBack'], [good, 'Superseded']]);
  assert.equal(await image('development'), 'nginx:1.27');
  const events = (await get('events', '--field-selector', 'reason=RolledBack')).items;
  assert.equal(events.length, 1, JSON.stringify(events));
  assert.match(events[0].message, /was not healthy by its deadline: back to/);
  await fails(people.alice.choreo('promote', 'web', '--to', 'staging', '--release', bad), 1, /has never been healthy/);
});

check('a better release goes on; by hand one goes back, without asking the gates again', async () => {
  await apply('alice', component('nginx:1.28'));
  await until('development to run it', async () => condition(await binding('development'), 'Ready')?.status === 'True');
  const good = await latest();
  await rest('ci', 'POST', `${base}/testresults`, {
    metadata: {generateName: 'smoke-'},
    spec: {component: 'web', release: good, environment: 'development', test: 'smoke', passed: true},
  });
  await people.alice.choreo('promote', 'web', '--to', 'staging', '--wait');
  assert.equal(await image('staging'), 'nginx:1.28');
  const {spec} = JSON.parse(await people.alice.choreo('rollback', 'web', '-e', 'staging', '--reason', 'the cart', '--wait', '-o', 'json'));
  assert.notEqual(spec.releaseName, good);
  assert.equal(await image('staging'), 'nginx:1.27');
  const table = await people.dave.choreo('history', 'web', '-e', 'staging');
  assert.match(table, /^ENVIRONMENT +RELEASE +OUTCOME +STARTED +HEALTHY +BY +APPROVED-BY +REASON\n/);
  assert.match(table.split('\n')[1], /Healthy.* alice +the cart$/);
  assert.match(table.split('\n')[2], /RolledBack/);
  await fails(people.alice.choreo('rollback', 'web', '-e', 'staging'), 1, /was healthy in "staging" and not taken back/);
});

check('what was taken back by hand goes no further, though it had been healthy', async () => {
  await fails(people.alice.choreo('promote', 'web', '--to', 'production', '--release', await latest()), 1,
      /was taken back in "staging" at [^ ]+, so that it had been healthy there proves nothing: deploy it there again/);
});

check('what burns its error budget is taken back, though it was healthy', async () => {
  await people.alice.choreo('promote', 'web', '--to', 'staging', '--wait');
  const {releaseName: bad} = (await binding('staging')).status;
  assert.equal(await image('staging'), 'nginx:1.28');
  await people.root.choreo('patch', 'deploymentpipeline', 'careful', '-p', '{"spec":{"rollbackOn":["error-budget"]}}');
  // As its cluster's Alertmanager tells of it, with the labels that the component's PrometheusRule gives.
  const {metadata: {namespace}} = (await on('staging', 'deployments')).find(d => d.metadata.labels['openchoreo.dev/component'] === 'web');
  const alert = (more, startsAt = new Date().toISOString()) => ({
    status: 'firing', startsAt, annotations: {}, generatorURL: 'http://prometheus/graph', fingerprint: 'f',
    labels: {alertname: 'ErrorBudgetBurn', test: 'error-budget', organization: 'default', namespace, component: 'web',
             environment: 'staging', ...more},
  });
  const alerts = [alert({namespace: 'dp-of-somebody-else'}), alert({}, '2026-01-01T00:00:00Z'), alert({test: undefined}), alert({})];
  const message = {version: '4', status: 'firing', receiver: 'choreod', alerts};
  assert.equal((await rest('dave', 'POST', '/webhooks/v1/alertmanager', message)).status, 403);
  const {status, body} = await rest('ci', 'POST', '/webhooks/v1/alertmanager', message);
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(body.alerts.map(a => a.result), ['ignored', 'ignored', 'ignored', 'made'], JSON.stringify(body));
  const again = await rest('ci', 'POST', '/webhooks/v1/alertmanager', message);
  assert.equal(again.body.alerts[3].result, 'was there', JSON.stringify(again.body));
  const back = await until('the rollback', async () => {
    const b = await binding('staging');
    return b.status.releaseName !== bad && b.status.history[0].outcome === 'Healthy' && b;
  }, 20000);
  assert.equal(condition(back, 'RolledBack').reason, 'TestFailed');
  assert.match(back.status.history[0].reason, /failed test "error-budget"/);
  assert.deepEqual([back.status.history[1].release, back.status.history[1].outcome], [bad, 'RolledBack']);
  assert.equal(await image('staging'), 'nginx:1.27');
});

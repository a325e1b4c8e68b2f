// Pushes to a real git server, told to a cluster of three nodes by a signed webhook: the run of the
// pushed commit, once, whatever is delivered twice or to a node that dies; and, without a webhook,
// a component that follows its branch.
'use strict';

const assert = require('node:assert');
const {spawn} = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const os = require('node:os');
const path = require('node:path');
const {after, before, test} = require('node:test');
const {start, until} = require('../lib/cluster');

let cluster;
let git;
let hook;

async function startGit() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'choreod-test-'));
  const child = spawn('python3', [path.join(__dirname, '../lib/git_server.py'), dir],
      {stdio: ['pipe', 'pipe', 'inherit']});
  const port = await new Promise(resolve => child.stdout.once('data', data => resolve(Number(data))));
  return {
    url: `http://127.0.0.1:${port}`,
    push: branch => new Promise((resolve, reject) => {
      http.request(`http://127.0.0.1:${port}/push/shop/${branch}`, {method: 'POST'}, response => {
        let body = '';
        response.on('data', data => { body += data; });
        response.on('end', () => resolve(body));
      }).on('error', reject).end();
    }),
    commit: ref => fs.readFileSync(path.join(dir, 'shop.refs'), 'utf8').split('\n')
        .find(line => line.startsWith(`${ref} `)).split(' ')[1],
    stop() {
      child.stdin.end();
      return new Promise(resolve => child.once('exit', resolve)).then(
          () => fs.rmSync(dir, {recursive: true, force: true}));
    },
  };
}

// As GitHub does; resolves to {status, body}, or {error} if the node did not answer.
function deliver(node, payload, {secret = hook.secret, event = 'push', id = 'd'} = {}) {
  const body = JSON.stringify(payload);
  const mac = crypto.createHmac('sha256', secret).update(body).digest('hex');
  return new Promise(resolve => {
    const request = https.request(`${cluster.node(node).api}${hook.path}`, {
      method: 'POST', ca: cluster.ca, agent: false, timeout: 20000,
      headers: {'content-type': 'application/json', 'x-github-event': event,
        'x-github-delivery': id, 'x-hub-signature-256': `sha256=${mac}`,
        'content-length': Buffer.byteLength(body)},
    }, response => {
      let text = '';
      response.on('data', data => { text += data; });
      response.on('error', error => resolve({error}));
      response.on('end', () => resolve({status: response.statusCode, body: JSON.parse(text)}));
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', error => resolve({error}));
    request.end(body);
  });
}

const pushed = (commit, branch = 'main') => ({
  ref: `refs/heads/${branch}`, before: '0'.repeat(40), after: commit, commits: [],
  repository: {clone_url: `${git.url}/plain/shop.git`, default_branch: 'main'},
});

async function runs(component) {
  const list = JSON.parse(await cluster.choreo('get', 'workflowruns', '-n', 'default', '-o', 'json'));
  return list.items.filter(run => run.spec.owner?.componentName === component);
}

async function apply(object) {
  const file = path.join(cluster.dir, 'object.json');
  fs.writeFileSync(file, JSON.stringify(object));
  await cluster.choreo('apply', '-f', file, '-n', 'default');
}

const component = (name, branch) => ({
  apiVersion: 'choreo.dev/v1', kind: 'Component', metadata: {name},
  spec: {autoBuild: true, source: {git: {repository: `${git.url}/plain/shop`, branch}}},
});

before(async () => {
  git = await startGit();
  cluster = await start({nodes: 3, planes: 'development'});
  const said = await cluster.choreo('webhook', 'github', '-n', 'default');
  hook = {path: new URL(/Payload URL +(\S+)/.exec(said)[1]).pathname,
    secret: /Secret +(\S+)/.exec(said)[1]};
});

after(async () => {
  await cluster?.stop();
  await git?.stop();
});

test('a component that follows a branch is built at its commit', async () => {
  await apply(component('polled', 'dev'));
  const [run] = await until('a run', async () => {
    const found = await runs('polled');
    return found.length > 0 && found;
  });
  assert.strictEqual(run.spec.source.git.commit, git.commit('refs/heads/dev'));
});

test('a push is built once, by whatever node it is told', async () => {
  await apply(component('told', 'main'));
  await until('the first run', async () => (await runs('told')).length === 1);
  const commit = await git.push('main');
  const answers = await Promise.all(cluster.dev.nodes.flatMap(
      node => [deliver(node.name, pushed(commit)), deliver(node.name, pushed(commit))]));
  assert.deepStrictEqual(answers.map(a => a.status), [200, 200, 200, 200, 200, 200]);
  const made = answers.filter(a => a.body.runs[0].result === 'made');
  assert.strictEqual(made.length, 1);
  const found = (await runs('told')).filter(run => run.spec.source.git.commit === commit);
  assert.strictEqual(found.length, 1);
  assert.strictEqual(found[0].spec.triggeredBy, 'system:webhook:default/github');
});

// The workflow builds in one step, whose outputs the simulated cluster takes from the annotation.
const openchoreo = (kind, name, spec) => ({apiVersion: 'openchoreo.dev/v1alpha1', kind,
  metadata: {name}, spec});
const marked = (mark, rest = {}) => ({type: 'string', ...rest,
  [`x-openchoreo-component-parameter-repository-${mark}`]: true});
const workflow = () => openchoreo('ClusterWorkflow', 'one-step', {
  parameters: {openAPIV3Schema: {type: 'object', properties: {
    url: marked('url'), branch: marked('branch', {default: 'main'}),
    commit: marked('commit', {default: ''})}}},
  runTemplate: {
    apiVersion: 'argoproj.io/v1alpha1', kind: 'Workflow',
    metadata: {name: '${metadata.workflowRunName}', annotations: {
      'plane.choreo.dev/message': 'registry.example.com/greeter:${parameters.commit}'}},
    spec: {entrypoint: 'build', templates: [{name: 'build', container: {image: 'builder'},
      outputs: {parameters: [{name: 'image', valueFrom: {path: '/image'}}]}}]},
  },
});

test('a push builds what OpenChoreo declares, and its Workload runs it', async () => {
  const ours = (kind, name, spec) => apply({apiVersion: 'choreo.dev/v1', kind, metadata: {name}, spec});
  await ours('DataPlane', 'development', {type: 'single-cluster'});
  await ours('Environment', 'first', {dataPlane: 'development'});
  await ours('DeploymentPipeline', 'short', {promotionPaths: [
    {sourceEnvironmentRef: {name: 'first'}, targetEnvironmentRefs: []}]});
  await ours('Project', 'shop', {deploymentPipeline: 'short'});
  await apply(workflow());
  await apply(openchoreo('ClusterComponentType', 'worker-by-push', {
    workloadType: 'deployment', allowedWorkflows: [{kind: 'ClusterWorkflow', name: 'one-step'}],
    resources: [{id: 'deployment', template: {apiVersion: 'apps/v1', kind: 'Deployment',
      metadata: {name: '${metadata.name}', namespace: '${metadata.namespace}'},
      spec: {selector: {matchLabels: '${metadata.podSelectors}'}, template: {
        metadata: {labels: '${metadata.podSelectors}'},
        spec: {containers: [{name: 'main', image: '${workload.container.image}'}]}}}}}]}));
  await apply(openchoreo('Component', 'greeter', {
    owner: {projectName: 'shop'}, autoDeploy: true, autoBuild: true,
    componentType: {kind: 'ClusterComponentType', name: 'deployment/worker-by-push'},
    workflow: {name: 'one-step', parameters: {url: `${git.url}/plain/shop`}}}));
  const get = async (kind, name) =>
    JSON.parse(await cluster.choreo('get', kind, name, '-n', 'default', '-o', 'json'));
  const image = async wanted => {
    const workload = await get('workloads.openchoreo.dev', 'greeter').catch(() => null);
    return workload?.spec.container.image === wanted;
  };
  const before = git.commit('refs/heads/main');
  await until('the first image', () => image(`registry.example.com/greeter:${before}`));
  const commit = await git.push('main');
  const answer = await deliver('node-2', pushed(commit));
  const row = answer.body.runs.find(run => run.component === 'greeter');
  assert.strictEqual(row.result, 'made', JSON.stringify(answer.body));
  await until('the image of the push', () => image(`registry.example.com/greeter:${commit}`));
  const run = await get('workflowruns.openchoreo.dev', row.run);
  assert.strictEqual(run.spec.workflow.parameters.commit, commit);
  assert.strictEqual(run.spec.workflow.parameters.branch, 'main');
  await until('what was pushed runs', async () => {
    const {status} = await get('components.openchoreo.dev', 'greeter');
    const release = await get('releases.choreo.dev', status.latestRelease.name);
    return status.conditions.some(c => c.type === 'Ready' && c.status === 'True') &&
      release.spec.workload.container.image.endsWith(commit);
  });
});

test('of two pushes that are told the wrong way round the later runs', async () => {
  const at = git.commit('refs/heads/main');
  const first = await git.push('main');
  const second = await git.push('main');
  const told = async (commit, from) => {
    const {body} = await deliver('node-1', {...pushed(commit), before: from});
    return body.runs.find(run => run.component === 'greeter').run;
  };
  const get = async (kind, name) =>
    JSON.parse(await cluster.choreo('get', kind, name, '-n', 'default', '-o', 'json'));
  const built = name => until(`${name} to end`, async () =>
    (await get('workflowruns.choreo.dev', name).catch(() => null))?.status?.phase === 'Succeeded');
  await built(await told(second, first));
  await built(await told(first, at));
  // A build more, by which time the component has seen both.
  await apply(openchoreo('Component', 'onlooker', {
    owner: {projectName: 'shop'}, autoBuild: true,
    componentType: {kind: 'ClusterComponentType', name: 'deployment/worker-by-push'},
    workflow: {name: 'one-step', parameters: {url: `${git.url}/plain/shop`}}}));
  await until('the onlooker is built', async () =>
    (await get('components.choreo.dev', 'onlooker').catch(() => null))?.status?.build);
  const {spec} = await get('workloads.openchoreo.dev', 'greeter');
  assert.strictEqual(spec.container.image, `registry.example.com/greeter:${second}`);
});

test('the choreo command says the same again', async () => {
  const said = await cluster.choreo('webhook', 'github', '-n', 'default');
  assert.ok(said.includes(hook.secret) && said.includes(hook.path));
});

test('who does not sign rightly learns nothing', async () => {
  const commit = await git.push('main');
  const wrong = await deliver('node-1', pushed(commit), {secret: 'a wrong secret of some length'});
  assert.strictEqual(wrong.status, 401);
  const path_ = hook.path;
  hook.path = path_.replace(/github$/, 'nothing');
  const absent = await deliver('node-1', pushed(commit));
  hook.path = path_;
  assert.deepStrictEqual(absent, wrong);
  assert.ok((await runs('told')).every(run => run.spec.source.git.commit !== commit));
  const ping = await deliver('node-1', {zen: 'x'}, {event: 'ping'});
  assert.strictEqual(ping.status, 202);
});

test('a node dies while pushes are delivered: each is built exactly once', async () => {
  const commits = [];
  for (let i = 0; i < 7; i++) commits.push(await git.push('main'));
  const victim = Object.values(await cluster.leaders())[1];
  const names = cluster.dev.nodes.map(node => node.name);
  const others = names.filter(name => name !== victim);
  const first = commits.map((commit, i) => deliver(names[i % 3], pushed(commit), {id: `k${i}`}));
  await cluster.kill(victim);
  await Promise.all(first);
  // A provider delivers again what was not taken.
  for (const [i, commit] of commits.entries()) {
    await until(`delivery ${i}`, async () => {
      const answer = await deliver(others[i % 2], pushed(commit), {id: `k${i}`});
      return answer.status === 200;
    }, 20000);
  }
  const found = (await runs('told')).map(run => run.spec.source.git.commit);
  for (const commit of commits) {
    assert.strictEqual(found.filter(c => c === commit).length, 1, `runs of ${commit}`);
  }
  await cluster.restart(victim);
});

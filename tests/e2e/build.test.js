// From a component's source to a running image, on three nodes and a simulated cluster: builds as
// Jobs and as Argo's Workflows, one that fails while what ran goes on, and what is left on clusters.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const {execFile} = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const {promisify} = require('node:util');
const {start, until, bin} = require('../lib/cluster.js');

const commit = letter => letter.repeat(40);
let cluster, failed = false;

before(async () => {
  cluster = await start({nodes: 3, shards: 2, planes: 'development:us-west-2'});
}, {timeout: 90000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 60000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

const get = async (...words) => JSON.parse(await cluster.choreo('get', ...words, '-o', 'json'));
const condition = (object, type) => object.status?.conditions?.find(c => c.type === type);
const apply = async (...objects) => {
  const file = path.join(cluster.dir, 'apply.json');
  fs.writeFileSync(file, JSON.stringify({apiVersion: 'v1', kind: 'List', items: objects}));
  return cluster.choreo('apply', '-f', file);
};
const kubectl = async (plane, ...words) => {
  const {stdout} = await promisify(execFile)('kubectl',
      ['--kubeconfig', cluster.dev.planes.find(p => p.name === plane).kubeconfig, ...words]);
  return stdout;
};
const component = (name, spec, annotations = {}) => ({
  apiVersion: 'choreo.dev/v1', kind: 'Component', metadata: {name, namespace: 'default'},
  spec: {type: 'service', endpoints: [{name: 'http', port: 8080}],
         source: {git: {repository: 'git.example.com/team/' + name, commit: commit('a')}},
         workflow: {name: 'dockerfile-builder', parameters: {podAnnotations: annotations}}, ...spec},
});
// The image that runs on the development cluster.
const running = async name => {
  const list = JSON.parse(await kubectl('development', 'get', 'deployments', '-A', '-o', 'json'));
  return list.items.find(d => d.metadata.labels['openchoreo.dev/component'] === name)
      ?.spec.template.spec.containers[0].image;
};
const plane = annotations => cluster.choreo('annotate', 'dataplane', 'development', ...annotations, '--overwrite');

check('a component with a source says what it waits for', async () => {
  await apply({apiVersion: 'choreo.dev/v1', kind: 'DataPlane', metadata: {name: 'development'}, spec: {type: 'single-cluster'}});
  await until('the plane', async () => condition(await get('dataplane', 'development'), 'Ready')?.status === 'True');
  await apply(component('web', {}));
  // Nobody has said yet where images go: its parameters cannot become right.
  const run = await until('the run', async () => {
    const one = await get('workflowrun', 'web-build-' + 'a'.repeat(12));
    return one.status?.phase === 'Failed' && one;
  });
  assert.equal(condition(run, 'Ready').reason, 'InvalidParameters');
  assert.match(run.status.message, /nobody says where images go/);
  await until('the component', async () =>
    condition(await get('component', 'web'), 'ImageResolved')?.reason === 'BuildFailed');
});

check('choreo build --wait, and the image that was built runs', async () => {
  await plane(['choreo.dev/registry=registry.example.com/images', 'choreo.dev/build-plane=true',
               'choreo.dev/argo-workflows=false']);
  await apply({apiVersion: 'v1', kind: 'Secret', metadata: {name: 'registry-credentials', namespace: 'default'},
               type: 'kubernetes.io/dockerconfigjson', stringData: {'.dockerconfigjson': '{"auths":{}}'}});
  await cluster.choreo('build', 'web', '--wait', '--timeout', '20s');
  const run = await get('workflowrun', 'web-build-' + 'a'.repeat(12) + '-2');
  assert.equal(run.status.phase, 'Succeeded');
  assert.match(run.status.image, /^registry\.example\.com\/images\/default-default-web@sha256:[0-9a-f]{64}$/);
  assert.equal(run.status.commit, commit('a'));
  assert.equal(run.status.runReference.kind, 'Job');
  const pushes = JSON.parse(await kubectl('development', 'get', 'secret', '-o', 'json', '-n', run.status.runReference.namespace,
                                          run.status.runReference.name + '-registry'));
  assert.equal(pushes.type, 'kubernetes.io/dockerconfigjson');
  assert.deepEqual(run.status.tasks.map(t => [t.name, t.phase]),
                   [['checkout', 'Succeeded'], ['build', 'Succeeded']]);
  await cluster.choreo('wait', 'component/web', '--timeout', '20s');
  assert.equal((await get('component', 'web')).status.image, run.status.image);
  assert.equal(await running('web'), run.status.image);
});

check('a build that fails says why, and the last image goes on running', async () => {
  const before = (await get('component', 'web')).status.image;
  await apply(component('web', {autoBuild: false}, {'plane.choreo.dev/fail': 'there is no Dockerfile'}));
  await assert.rejects(cluster.choreo('build', 'web', '--commit', commit('b'), '--wait', '--timeout', '20s'),
                       error => error.code === 1 && /step "build" failed.*no Dockerfile/.test(error.stderr));
  const web = await until('the condition', async () => {
    const one = await get('component', 'web');
    return condition(one, 'Built')?.reason === 'BuildFailed' && one;
  });
  assert.equal(web.status.image, before);
  assert.equal(web.status.build.commit, commit('a'));
  assert.equal(await running('web'), before);
});

check('a build that puts out no image is none', async () => {
  await apply(component('job', {autoBuild: false, workflow: {name: 'run-command', kind: 'ClusterWorkflow',
                                                            parameters: {image: 'busybox:1', command: ['true']}}}));
  await assert.rejects(cluster.choreo('build', 'job', '--wait', '--timeout', '20s'),
                       error => error.code === 1 && /ended well, but put out no image/.test(error.stderr));
  const job = await until('the condition', async () => {
    const one = await get('component', 'job');
    return condition(one, 'Ready')?.reason === 'NoImage' && one;
  });
  assert.equal(condition(job, 'Built').status, 'False');
  assert.match(condition(job, 'Ready').message, /workflow "run-command" names none/);
  await cluster.choreo('delete', 'component', 'job');
});

check('where the cluster serves Argo, its Workflow builds', async () => {
  // It was found when the cluster was looked at; what the annotation said instead goes with it.
  await plane(['choreo.dev/argo-workflows-']);
  assert.equal((await get('dataplane', 'development')).status.clusters[0].argoWorkflows, true);
  await apply(component('api', {autoBuild: false}));
  assert.equal(condition(await until('it waits', async () => {
    const one = await get('component', 'api');
    return condition(one, 'Built') && one;
  }), 'Built').reason, 'WaitingForBuild');
  await cluster.choreo('build', 'api', '--wait', '--timeout', '20s');
  const run = await get('workflowrun', 'api-build-' + 'a'.repeat(12));
  assert.equal(run.status.runReference.apiVersion, 'argoproj.io/v1alpha1');
  assert.match(run.status.image, /api@sha256:[0-9a-f]{64}$/);
  await cluster.choreo('wait', 'component/api', '--timeout', '20s');
  assert.equal(await running('api'), run.status.image);
});

check('a test is let out to what it tests, and told where that is', async () => {
  await plane(['choreo.dev/argo-workflows=false']);
  await cluster.choreo('patch', 'organization', 'default', '--type', 'merge', '-p', '{"spec":{"isolation":"strict"}}');
  await apply({apiVersion: 'choreo.dev/v1', kind: 'ClusterWorkflow', metadata: {name: 'smoke'},
    spec: {reportsTests: true, runTemplate: {apiVersion: 'batch/v1', kind: 'Job', metadata: {name: '${run.name}'},
      spec: {template: {spec: {restartPolicy: 'Never', containers: [
        {name: 'smoke', image: 's:1', args: ['${run.test.endpoints.http.url}']}]}}}}}});
  const releaseName = (await get('releasebinding', 'web-development')).spec.releaseName;
  await apply({apiVersion: 'choreo.dev/v1', kind: 'WorkflowRun', metadata: {name: 'web-smoke', namespace: 'default'},
    spec: {workflow: {name: 'smoke'}, owner: {projectName: 'default', componentName: 'web'},
           test: {name: 'smoke', environment: 'development', releaseName}}});
  await until('the result', async () => (await get('testresults')).items.some(t => t.spec.test === 'smoke' && t.spec.passed));
  const {namespace, name} = (await get('workflowrun', 'web-smoke')).status.runReference;
  const pods = JSON.parse(await kubectl('development', 'get', 'job', name, '-n', namespace, '-o', 'json')).spec.template;
  assert.match(pods.spec.containers[0].args[0], /^http:\/\/web\.dp-default-default-development-[0-9a-f]{8}\.svc\.cluster\.local:8080/);
  const way = JSON.parse(await kubectl('development', 'get', 'networkpolicy', name + '-test', '-n', namespace, '-o', 'json')).spec;
  assert.equal(way.podSelector.matchLabels['choreo.dev/workflow-run'], pods.metadata.labels['choreo.dev/workflow-run']);
  const [{to: [where], ports}] = way.egress;
  const tested = JSON.parse(await kubectl('development', 'get', 'namespaces', '-l',
      Object.entries(where.namespaceSelector.matchLabels).map(l => l.join('=')).join(), '-o', 'json')).items;
  assert.equal(tested.length, 1);
  assert.deepEqual(ports, [{protocol: 'TCP', port: 8080}]);
  const theirs = JSON.parse(await kubectl('development', 'get', 'networkpolicy', 'openchoreo-web', '-n', tested[0].metadata.name, '-o', 'json'));
  assert.ok(theirs.spec.ingress.some(r => r.from.some(f => f.podSelector?.matchLabels?.['choreo.dev/tests'] === pods.metadata.labels['choreo.dev/tests'])));
  await cluster.choreo('delete', 'workflowrun', 'web-smoke');
});

check('what ran is not run again, and goes with its run', async () => {
  const run = await get('workflowrun', 'web-build-' + 'a'.repeat(12) + '-2');
  const {namespace, name} = run.status.runReference;
  await kubectl('development', 'get', 'job', '-n', namespace, name);
  await cluster.choreo('delete', 'component', 'web', 'api');
  await until('the jobs are gone', async () =>
    JSON.parse(await kubectl('development', 'get', 'jobs,workflows.argoproj.io', '-A', '-o', 'json')).items.length === 0);
  await until('the runs are gone', async () => (await get('workflowruns')).items.length === 0);
  await until('their namespace is gone', async () =>
    !(await kubectl('development', 'get', 'namespaces', '-o', 'name')).includes(namespace));
});

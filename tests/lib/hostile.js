// hostile.js: requests that mean harm, made from a seed: paths, queries, headers and bodies of every
// kind that a node takes, some almost right, some far from it.
'use strict';

// mulberry32: the same numbers for the same seed, everywhere.
function random(seed) {
  let a = seed >>> 0;
  const next = () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = n => Math.floor(next() * n);
  return {below, one: list => list[below(list.length)], chance: p => next() < p};
}

const words = ['', 'a', 'default', 'choreo-system', 'kube-system', '..', '.', '%2e%2e', '%00', '%ff', '%', 'web',
               'a'.repeat(300), 'ä', '\u202e', '-', '_', 'A', 'status', 'scale', 'finalize', 'x/y', '%2f', '0', '-1'];
const collections = [
  '/api/v1/namespaces/default/configmaps', '/api/v1/namespaces/default/secrets', '/api/v1/namespaces',
  '/apis/choreo.dev/v1/namespaces/default/components', '/apis/choreo.dev/v1/namespaces/default/projects',
  '/apis/choreo.dev/v1/organizations', '/apis/choreo.dev/v1/dataplanes',
  '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', '/api/v1/configmaps', '/api/v1/events'];
const others = ['/', '/api', '/apis', '/openapi/v2', '/openapi/v3', '/version', '/metrics', '/livez?verbose',
                '/readyz/nothing', '/pki/ca.crt', '/cluster/v1/status', '/cluster/v1/join', '/apis/choreo.dev/v1'];
const queries = [
  'limit=1', 'limit=-1', 'limit=18446744073709551616', 'continue=', 'continue=AAAA', 'continue=%ff%fe',
  'labelSelector=a%20in%20(b', 'labelSelector=!!a', 'labelSelector=' + 'a%3Db,'.repeat(300), 'fieldSelector=metadata.name',
  'fieldSelector=metadata.name%3D' + 'x'.repeat(500), 'fieldSelector=spec.x%3D1', 'resourceVersion=0', 'resourceVersion=x',
  'resourceVersion=1', 'resourceVersionMatch=Exact', 'dryRun=All', 'dryRun=x', 'fieldManager=' + 'm'.repeat(200), 'force=true',
  'fieldValidation=Strict', 'fieldValidation=x', 'pretty=true', 'propagationPolicy=x', 'sendInitialEvents=true', '=', '&&', '%', 'a=%zz'];
const accepts = ['application/json', 'application/json;as=Table;v=v1;g=meta.k8s.io', 'application/yaml',
                 'application/vnd.kubernetes.protobuf', '*/*', 'x', ';;;', 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'];
const types = ['application/json', 'application/yaml', 'application/json-patch+json', 'application/merge-patch+json',
               'application/strategic-merge-patch+json', 'application/apply-patch+yaml', 'application/vnd.kubernetes.protobuf',
               'application/grpc', 'text/plain', ''];
const scalars = ['null', 'true', '0', '-0', '1e400', '1E-999', '9'.repeat(400), '0.1', '""', '"a"', '"\\ud800"', '"\\u0000"',
                 '"\u202e"', '{}', '[]', '18446744073709551616', '-9223372036854775809', 'NaN', "'a'"];

class Hostile {
  constructor(seed) { this.r = random(seed); }

  json(depth = 0) {
    const {r} = this;
    if (depth > 4 || r.chance(0.4)) return r.one(scalars);
    const items = Array.from({length: r.below(5)}, () => this.json(depth + 1));
    return r.chance(0.5) ? `[${items}]` : `{${items.map(v => `"${r.one(['a', 'metadata', 'spec', 'kind', '', 'x'.repeat(50)])}":${v}`)}}`;
  }

  // A manifest in which something may be wrong.
  manifest() {
    const {r} = this;
    const [apiVersion, kind, spec] = r.one([
      ['v1', 'ConfigMap', `"data":${this.json(2)}`], ['v1', 'Secret', `"stringData":${this.json(2)}`],
      ['choreo.dev/v1', 'Component', `"spec":{"type":"service","image":"x","replicas":${r.one(scalars)},"endpoints":${this.json(1)}}`],
      ['choreo.dev/v1', 'Project', `"spec":${this.json(1)}`], ['v1', 'Namespace', `"spec":${this.json(2)}`],
      ['apiextensions.k8s.io/v1', 'CustomResourceDefinition', `"spec":${this.json(0)}`]]);
    const metadata = `{"name":"h${r.below(50)}"${r.chance(0.3) ? `,"labels":${this.json(2)}` : ''}${
      r.chance(0.2) ? `,"managedFields":${this.json(1)}` : ''}${r.chance(0.2) ? `,"finalizers":${this.json(3)}` : ''}${
      r.chance(0.2) ? `,"resourceVersion":${r.one(scalars)}` : ''}}`;
    return `{"apiVersion":"${apiVersion}","kind":"${kind}","metadata":${r.chance(0.9) ? metadata : this.json(1)},${spec}}`;
  }

  yaml() {
    const {r} = this;
    return r.one([
      'a: &a [x]\nb: [*a, *a, *b]\n', '- - - - - -\n', 'a: b: c\n', '? [a]\n: b\n', '%YAML 9.9\n---\na: 1\n', '!!binary x\n', '&a *a\n',
      '{a: &x [' + '*x,'.repeat(50) + ']}', 'a: |\n  x\n y\n', '\t\t', '--- a\n--- b\n', 'a: "\\xg"\n',
      `${'['.repeat(200)}`, 'a0: &a0 [x,x,x,x,x,x,x,x]\n' + Array.from({length: 9}, (_, i) =>
        `a${i + 1}: &a${i + 1} [${Array(8).fill(`*a${i}`)}]\n`).join(''), this.manifest()]);
  }

  patch() {
    const {r} = this;
    const path = () => '/' + Array.from({length: r.below(4)}, () => r.one(['data', 'metadata', 'labels', 'a', '~0', '~2', '-', '0', '99999999999', ''])).join('/');
    return r.one([
      () => `[${Array.from({length: r.below(8)}, () => `{"op":"${r.one(['add', 'remove', 'replace', 'move', 'copy', 'test', 'x'])}","path":"${
        path()}","from":"${path()}","value":${this.json(2)}}`)}]`,
      () => `[${Array.from({length: 30}, (_, i) => `{"op":"copy","from":"","path":"/data/d${i}"}`)}]`,
      () => `{"data":${this.json(1)}}`, () => `{"metadata":{"$patch":"${r.one(['delete', 'replace', 'merge', 'x'])}","labels":null}}`,
      () => `{"data":{"$retainKeys":${this.json(2)},"$deleteFromPrimitiveList/a":${this.json(2)}}}`, () => this.json(0)])();
  }

  bytes(most) {
    const {r} = this;
    return Buffer.from(Array.from({length: r.below(most)}, () => r.below(256)));
  }

  // Protobuf: a Kubernetes envelope, or a gRPC frame, of bytes that may be one.
  protobuf() {
    const {r} = this;
    const body = Buffer.concat([Buffer.from([r.one([0x0a, 0x12, 0x1a, 0x0b, 0xff])]), Buffer.from([r.below(130)]), this.bytes(60)]);
    return r.chance(0.7) ? Buffer.concat([Buffer.from('k8s\0'), body]) : body;
  }
  frame() {
    const {r} = this;
    const body = this.protobuf(), head = Buffer.from([r.one([0, 0, 0, 1, 2]), 0, 0, 0, 0]);
    head.writeUInt32BE(r.chance(0.8) ? body.length : r.below(2 ** 32), 1);
    return Buffer.concat([head, body]);
  }

  // What reaches an object: made, changed and deleted among fifty.
  almostRight() {
    const {r} = this;
    const name = `h${r.below(50)}`, one = `${collections[0]}/${name}`, json = {'content-type': 'application/json'};
    const data = `{"a":"${r.below(1000)}"${r.chance(0.2) ? `,"b":${r.one(scalars)}` : ''}}`;
    const object = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${name}"},"data":${data}}`;
    return r.one([
      () => ({method: 'POST', path: collections[0], headers: json, body: object}),
      () => ({method: 'PUT', path: one, headers: json, body: object}),
      () => ({method: 'PATCH', path: one, headers: {'content-type': 'application/merge-patch+json'}, body: `{"data":${data}}`}),
      () => ({method: 'PATCH', path: one, headers: {'content-type': r.one(types.filter(t => /patch/.test(t)))}, body: this.patch()}),
      () => ({method: 'PATCH', path: `${one}?fieldManager=h${r.below(3)}&force=${r.chance(0.5)}`,
              headers: {'content-type': 'application/apply-patch+yaml'}, body: object}),
      () => ({method: 'DELETE', path: one, headers: {}}),
      () => ({method: 'GET', path: `${r.chance(0.5) ? one : collections[0]}?${r.one(queries)}`, headers: {accept: r.one(accepts)}})])();
  }

  // {method, path, headers, body}
  next() {
    const {r} = this;
    if (r.chance(0.3)) return this.almostRight();
    const headers = {};
    let path = r.chance(0.9) ? r.one(collections) : r.one(others);
    if (r.chance(0.6)) path += `/${r.one(['h0', 'h1', 'h2', ...words])}`;
    if (r.chance(0.15)) path += `/${r.one(words)}`;
    path = path.replace(/[^\x21-\x7e]/g, c => encodeURIComponent(c));
    const query = Array.from({length: r.below(3)}, () => r.one(queries));
    if (r.chance(0.001)) query.push('watch=true', 'timeoutSeconds=1');
    if (query.length) path += `?${query.join('&')}`;
    if (r.chance(0.3)) headers.accept = r.one(accepts);
    if (r.chance(0.1)) headers[`x-${'h'.repeat(r.below(50))}`] = 'v'.repeat(r.below(2000));
    if (r.chance(0.05)) headers['user-agent'] = 'ä'.repeat(r.below(300));
    const method = r.one(['GET', 'GET', 'POST', 'POST', 'PUT', 'PATCH', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'PROPFIND']);
    if (!['POST', 'PUT', 'PATCH', 'DELETE'].includes(method)) return {method, path, headers};
    const type = r.one(types);
    if (type) headers['content-type'] = type;
    if (type === 'application/grpc') {
      path = `/choreo.v1.${r.one(['ResourceService', 'ClusterService', 'X'])}/${r.one(['Get', 'List', 'Create', 'Patch', 'Delete', 'Kinds', 'Schema', 'Status', 'x'])}`;
      if (r.chance(0.3)) headers['grpc-encoding'] = r.one(['gzip', 'identity', 'x']);
      if (r.chance(0.3)) headers['grpc-timeout'] = r.one(['1S', '0n', '99999999H', 'x', '-1m', '5m']);
      return {method: 'POST', path, headers, body: this.frame()};
    }
    const body = r.chance(0.03) ? this.bytes(500) :
      type.includes('protobuf') ? this.protobuf() : type.includes('yaml') ? this.yaml() :
      type.includes('patch') ? this.patch() : r.chance(0.8) ? this.manifest() : this.json();
    return {method, path, headers, body};
  }
}

module.exports = {Hostile};

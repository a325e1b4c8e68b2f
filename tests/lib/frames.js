// frames.js: HTTP/2 and HTTP/1 as no client library would send them: frame by frame, byte by byte.
'use strict';

const tls = require('node:tls');

const types = {DATA: 0, HEADERS: 1, PRIORITY: 2, RST_STREAM: 3, SETTINGS: 4, PUSH_PROMISE: 5, PING: 6,
               GOAWAY: 7, WINDOW_UPDATE: 8, CONTINUATION: 9};
const flags = {END_STREAM: 1, ACK: 1, END_HEADERS: 4};
const settings = {INITIAL_WINDOW_SIZE: 4};

function frame(type, flag, id, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flag;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

const u32 = n => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };

// A header block without the dynamic table: each field a literal, never indexed.
function block(fields) {
  const integer = (n, bits) => {
    const most = (1 << bits) - 1;
    if (n < most) return Buffer.from([n]);
    const bytes = [most];
    for (n -= most; n >= 128; n >>= 7) bytes.push((n & 127) | 128);
    bytes.push(n);
    return Buffer.from(bytes);
  };
  const text = s => Buffer.concat([integer(Buffer.byteLength(s), 7), Buffer.from(s)]);
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0x10]), text(name), text(value)]));
}

// The fields of a request; more are appended.
const request = (method, path, token, more = []) => block([
  [':method', method], [':scheme', 'https'], [':authority', 'node'], [':path', path],
  ...(token ? [['authorization', `Bearer ${token}`]] : []), ...more]);

// A TLS connection that never throws: once it is closed, writes go nowhere.
class Wire {
  constructor({url, ca, alpn}) {
    const {hostname, port} = new URL(url);
    this.received = 0;
    this.open = false;
    this.socket = tls.connect({host: hostname, port, ca, ALPNProtocols: alpn ? [alpn] : undefined});
    this.ready = new Promise(resolve => {
      this.socket.once('secureConnect', () => { this.open = true; resolve(true); });
      this.socket.once('close', () => resolve(false));
    });
    this.closed = new Promise(resolve => this.socket.once('close', () => { this.open = false; resolve(); }));
    this.socket.on('error', () => {});
    this.socket.on('end', () => this.socket.destroy());
    this.socket.on('data', data => { this.received += data.length; this.take(data); });
  }
  take() {}
  // False when the kernel takes no more for now.
  write(bytes) { return this.open && this.socket.writable ? this.socket.write(bytes) : false; }
  drained() {
    return !this.open || !this.socket.writableNeedDrain ? Promise.resolve() :
      Promise.race([new Promise(resolve => this.socket.once('drain', resolve)), this.closed,
                    new Promise(resolve => setTimeout(resolve, 200))]);
  }
  close() { this.socket.destroy(); return this.closed; }
}

class H2 extends Wire {
  constructor({url, ca, first = []}) {
    super({url, ca, alpn: 'h2'});
    this.rest = Buffer.alloc(0);
    this.goaway = null; // {code, reason}
    this.resets = new Map(); // code: how many
    this.socket.once('secureConnect', () => {
      this.write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'));
      const entries = first.map(([id, value]) => Buffer.concat([Buffer.from([0, id]), u32(value)]));
      this.write(frame(types.SETTINGS, 0, 0, Buffer.concat(entries)));
    });
  }
  take(data) {
    this.rest = Buffer.concat([this.rest, data]);
    while (this.rest.length >= 9 && this.rest.length >= 9 + this.rest.readUIntBE(0, 3)) {
      const length = this.rest.readUIntBE(0, 3), payload = this.rest.subarray(9, 9 + length);
      if (this.rest[3] === types.GOAWAY) {
        this.goaway = {code: payload.readUInt32BE(4), reason: payload.subarray(8).toString()};
      }
      if (this.rest[3] === types.RST_STREAM) {
        const code = payload.readUInt32BE(0);
        this.resets.set(code, (this.resets.get(code) || 0) + 1);
      }
      this.rest = this.rest.subarray(9 + length);
    }
  }
  send(type, flag, id, payload) { return this.write(frame(type, flag, id, payload)); }
}

module.exports = {types, flags, settings, frame, block, request, u32, Wire, H2};

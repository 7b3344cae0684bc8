// A bare Fastify handler that signs with Ed25519: no authentication, no limits, no log, no record.
// `combine` does what the first system did for a wallet in shares: it puts the key together, and signs with it.
'use strict'

const crypto = require('node:crypto')
const fastify = require('fastify')

const [library, port] = process.argv.slice(2)

function withNodeCrypto () {
  const { privateKey } = crypto.generateKeyPairSync('ed25519')
  return (message) => crypto.sign(null, Buffer.from(message), privateKey)
}

function withSodium () {
  const sodium = require('sodium-native')
  const publicKey = Buffer.alloc(sodium.crypto_sign_PUBLICKEYBYTES)
  const secretKey = Buffer.alloc(sodium.crypto_sign_SECRETKEYBYTES)
  sodium.crypto_sign_keypair(publicKey, secretKey)
  return (message) => {
    const signature = Buffer.alloc(sodium.crypto_sign_BYTES)
    sodium.crypto_sign_detached(signature, Buffer.from(message), secretKey)
    return signature
  }
}

function withShares () {
  const shared = require('secrets.js-grempe')
  const nacl = require('tweetnacl')
  const { secretKey } = nacl.sign.keyPair()
  const shares = shared.share(Buffer.from(secretKey).toString('hex'), 3, 2)
  return (message) => {
    const combined = Buffer.from(shared.combine(shares.slice(0, 2)), 'hex')
    return Buffer.from(nacl.sign.detached(Buffer.from(message), combined))
  }
}

const sign = { crypto: withNodeCrypto, sodium: withSodium, combine: withShares }[library]()
const app = fastify()

app.get('/health', (request, reply) => { reply.send({ status: 'ok' }) })
for (const path of ['/wallets/sign', '/mpc/wallets/sign']) {
  app.post(path, (request, reply) => {
    reply.send({ signature: '0x' + sign(request.body.message).toString('hex') })
  })
}
app.listen({ host: '127.0.0.1', port: Number(port) })

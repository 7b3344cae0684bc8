// A bare Fastify handler that signs with Ed25519: no authentication, no limits, no log, no record.
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

const sign = library === 'sodium' ? withSodium() : withNodeCrypto()
const app = fastify()

app.get('/health', (request, reply) => { reply.send({ status: 'ok' }) })
app.post('/wallets/sign', (request, reply) => {
  reply.send({ signature: '0x' + sign(request.body.message).toString('hex') })
})
app.listen({ host: '127.0.0.1', port: Number(port) })

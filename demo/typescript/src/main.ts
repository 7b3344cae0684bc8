/**
 * The first system's kind of bot: it finds or makes its wallet, has orders signed, posts them, and reads the answers.
 *
 * From the environment: KMS_URL (http://127.0.0.1:3000), API_KEY (no default), WALLET_ID (ts-bot) and EXCHANGE_URL
 * (http://127.0.0.1:3100, the sandbox). One line a step; exit status 1 if anything was not as it should be.
 */

import { post } from "./exchange.js";
import { Failure } from "./failure.js";
import { Kms, Refusal, type OrderPayload, type PublicKey } from "./kms.js";

interface Settings {
  kmsUrl: string;
  apiKey: string;
  walletId: string;
  exchangeUrl: string;
}

function settings(): Settings {
  const { KMS_URL, API_KEY, WALLET_ID, EXCHANGE_URL } = process.env;
  if (!API_KEY) throw new Failure("API_KEY is not set: it is in admin.key in the data directory of the service");
  return {
    kmsUrl: KMS_URL || "http://127.0.0.1:3000",
    apiKey: API_KEY,
    walletId: WALLET_ID || "ts-bot",
    exchangeUrl: EXCHANGE_URL || "http://127.0.0.1:3100",
  };
}

/** The wallet; a new one only if the service says that there is none of that id. An outage is no reason to make a key. */
async function findOrCreate(kms: Kms, walletId: string): Promise<PublicKey> {
  try {
    return await kms.publicKey(walletId);
  } catch (error) {
    if (error instanceof Refusal && error.status === 404 && error.code === "wallet-not-found") {
      return kms.generate(walletId);
    }
    throw error;
  }
}

function order(coin: string, isBuy: boolean, sz: string, limitPx: string, tif: "Gtc" | "Ioc" = "Gtc"): OrderPayload {
  return { action: "order", coin, isBuy, sz, limitPx, tif, timestamp: Date.now() };
}

async function place(kms: Kms, { walletId, exchangeUrl }: Settings, payload: OrderPayload): Promise<void> {
  const signed = await kms.signOrder(walletId, payload);
  const { accepted, words } = await post(exchangeUrl, signed);
  const what = `order ${payload.isBuy ? "buy" : "sell"} ${payload.sz} ${payload.coin} at ${payload.limitPx}`;
  if (!accepted) throw new Failure(`${what}: not accepted: ${words}`);
  say(`${what}: nonce ${signed.nonce}, ${words}`);
}

/** What the service must not sign: the bot counts on being told why. */
async function beRefused(kms: Kms, walletId: string): Promise<void> {
  try {
    await kms.signOrder(walletId, order("BTC", true, "0.01", "58000.123"));
  } catch (error) {
    if (error instanceof Refusal && error.status === 400 && error.code === "invalid-price") {
      say(`a price with too many digits is refused: ${error.message}`);
      return;
    }
    throw error;
  }
  throw new Failure("a price with too many digits was signed");
}

async function main(): Promise<void> {
  const chosen = settings();
  const kms = new Kms(chosen.kmsUrl, chosen.apiKey);
  say(await kms.health());
  const wallet = await findOrCreate(kms, chosen.walletId);
  if (!wallet.address) throw new Failure(`wallet ${chosen.walletId} has no secp256k1 key; the exchange verifies no other`);
  say(`wallet ${wallet.walletId}, address ${wallet.address}`);
  await place(kms, chosen, order("BTC", true, "0.01", "58000"));
  await place(kms, chosen, order("ETH", false, "0.25", "3100.5"));
  await place(kms, chosen, order("SOL", true, "2", "155", "Ioc"));
  await beRefused(kms, chosen.walletId);
  say("done");
}

function say(words: string): void {
  console.log(`bot: ${words}`);
}

try {
  await main();
} catch (error) {
  // Any other error is a mistake in the bot: only its kind is shown, as its text may hold what was sent.
  console.error(`bot: ${error instanceof Failure ? error.message : `unexpected: ${(error as Error).name}`}`);
  process.exitCode = 1;
}

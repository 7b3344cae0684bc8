/** The signing service, as the first system's bots call it: axios, `X-API-Key`, JSON. */

import axios, { type AxiosInstance, type AxiosResponse } from "axios";
import { Agent } from "node:http";
import { Failure } from "./failure.js";

export interface PublicKey {
  walletId: string;
  publicKey: string;
  keyType: string;
  address?: string;
}

export interface OrderPayload {
  action: "order";
  coin: string;
  isBuy: boolean;
  /** Sizes and prices are decimal text, so that nothing is lost on the way. */
  sz: string;
  limitPx: string;
  /** Gtc rests on the book, Ioc takes what is there now; Gtc unless given. */
  tif?: "Gtc" | "Ioc" | "Alo";
  /** Milliseconds; it must be of now. */
  timestamp: number;
}

export interface SignedOrder {
  walletId: string;
  address: string;
  /** 0x and 130 hex digits: r, s, v. */
  signature: string;
  action: Record<string, unknown>;
  nonce: number;
  /** Of an order that ends by itself, as those of a wallet in shares do: it is posted with it. */
  expiresAfter?: number;
}

/** A problem document (RFC 9457); `error` is the sentence that the first system's clients read. */
interface Problem {
  code?: string;
  error?: string;
}

export class Refusal extends Failure {
  constructor(
    readonly status: number,
    readonly code: string,
    sentence: string,
  ) {
    super(`the signing service answered ${status}: ${sentence}`);
  }
}

export class Kms {
  readonly #http: AxiosInstance;

  constructor(url: string, apiKey: string) {
    this.#http = axios.create({
      baseURL: url,
      timeout: 10_000,
      headers: { "X-API-Key": apiKey },
      httpAgent: new Agent({ keepAlive: true }),
      // A redirect would carry the API key to wherever it points, and a proxy would read it.
      maxRedirects: 0,
      proxy: false,
      validateStatus: () => true,
    });
  }

  async health(): Promise<string> {
    const { status, service } = await this.#ask<{ status: string; service: string }>("GET", "/health");
    return `${service}: ${status}`;
  }

  publicKey(walletId: string): Promise<PublicKey> {
    return this.#ask("GET", `/wallets/${encodeURIComponent(walletId)}/public-key`);
  }

  /** A new wallet that can trade on testnet; an id that exists is refused, never replaced. */
  async generate(walletId: string): Promise<PublicKey> {
    const asked = { walletId, keyType: "secp256k1", network: "testnet" };
    return (await this.#ask<{ wallet: PublicKey }>("POST", "/wallets/generate", asked)).wallet;
  }

  signOrder(walletId: string, orderPayload: OrderPayload): Promise<SignedOrder> {
    return this.#ask("POST", "/wallets/sign-order", { walletId, orderPayload });
  }

  async #ask<Body>(method: "GET" | "POST", url: string, data?: unknown): Promise<Body> {
    let answer: AxiosResponse<Body & Problem>;
    try {
      answer = await this.#http.request<Body & Problem>({ method, url, data });
    } catch (error) {
      // Not the error itself: it holds the request, and so the API key.
      throw new Failure(`the signing service cannot be reached: ${axios.isAxiosError(error) ? error.code : "unknown"}`);
    }
    if (answer.status === 200) return answer.data;
    throw new Refusal(answer.status, answer.data.code ?? "", answer.data.error ?? "no reason given");
  }
}

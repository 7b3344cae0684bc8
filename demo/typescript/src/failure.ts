/** What ends the bot: a plain sentence for whoever runs it. */
export class Failure extends Error {}

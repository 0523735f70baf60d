/** Why something did not happen; `code` is one of the protocol's, or `lost`, `chat_over`, `too_many`, `too_large`. */
export class WhisperChatError extends Error {
    /**
     * @param {string} code
     * @param {string} message
     * @param {number | null} [retryAfterMs]
     */
    constructor(code: string, message: string, retryAfterMs?: number | null);
    code: string;
    retryAfterMs: number | null;
}
/** Something that was said here. It is `sending`, then `sent`, then `delivered`; or `failed`. */
export class OwnMessage {
    /**
     * @param {string} id
     * @param {string} chat
     * @param {string} text
     */
    constructor(id: string, chat: string, text: string);
    id: string;
    chat: string;
    text: string;
    /** When it was said, in ms since 1970. */
    at: number;
    /** @type {"sending" | "sent" | "delivered" | "failed"} */
    state: "sending" | "sent" | "delivered" | "failed";
    /** Its number among what the partner is told; null until it was accepted. @type {number | null} */
    seq: number | null;
    /** Why it failed. @type {WhisperChatError | null} */
    error: WhisperChatError | null;
    /** Fulfilled when the server holds it for the partner, rejected when it failed. May be ignored. */
    get accepted(): Promise<void>;
    /**
     * For the client alone.
     * @param {"sending" | "sent" | "delivered" | "failed"} state
     * @param {WhisperChatError | null} [error]
     * @internal
     */
    become(state: "sending" | "sent" | "delivered" | "failed", error?: WhisperChatError | null): void;
    #private;
}
/** One person's way to a server. Nothing happens before `connect` or `join`. */
export class WhisperChat {
    /**
     * @param {string | URL} url such as `wss://chat.example/v1/ws`
     * @param {Options} [options]
     * @throws {TypeError | RangeError} if the address or an option is not what it must be
     */
    constructor(url: string | URL, options?: Options);
    /** What the person is doing, as far as this client knows. */
    get state(): State;
    get connection(): Connection;
    /** The chat that goes on. */
    get chat(): Readonly<Chat> | null;
    /** The server's limits, after the first welcome. */
    get limits(): Limits | null;
    /** In how many ms it is tried again; null if it isn't. */
    get retryInMs(): number | null;
    /**
     * Whether the session still knows this chat, so that it can be blocked or reported.
     * @param {string} chat
     */
    knows(chat: string): boolean;
    /**
     * Calls a listener each time; what it returns ends that.
     * @template {keyof Events} E
     * @param {E} type
     * @param {(detail: Events[E]) => void} listener
     * @returns {() => void}
     */
    on<E extends keyof Events>(type: E, listener: (detail: Events[E]) => void): () => void;
    /** Connects now, also if a later attempt was planned. Harmless while there is a connection. */
    connect(): void;
    /** Something suggests that it would work now. A delay that the server asked for is kept all the same. */
    hurry(): void;
    /** Ends the session and the connection; what was not accepted fails. `connect` may begin anew. */
    close(): void;
    /**
     * Waits for a partner; connects first if there is no connection.
     * @param {Criteria} criteria
     * @returns {Promise<void>} fulfilled when the server knows, rejected if it refuses; may be ignored
     */
    join(criteria: Criteria): Promise<void>;
    /**
     * Changes what `join` said; the place in the queue is kept.
     * @param {Partial<Criteria>} changes
     * @returns {Promise<void>}
     */
    update(changes: Partial<Criteria>): Promise<void>;
    /** Stops waiting. @returns {Promise<void>} */
    cancel(): Promise<void>;
    /**
     * Says something to the partner: now, or as soon as the connection is back.
     * @param {string} text 1 to `limits.max_text_chars` characters
     * @returns {OwnMessage} which is told of by `message` whenever its state changes
     * @throws {WhisperChatError} if there is no chat, or the text can't be sent
     */
    say(text: string): OwnMessage;
    /**
     * Says what had failed once more, with the same id: should it have arrived after all, it is still shown once.
     * @param {OwnMessage} message
     * @throws {WhisperChatError} if its chat is over or it has not failed
     */
    sayAgain(message: OwnMessage): void;
    /**
     * Everything up to a number was shown to the person. Many calls make one message.
     * @param {number} [seq] of the last one that was shown; everything if left out
     */
    acknowledge(seq?: number): void;
    /**
     * To be called with each change of what the person types. The partner is told as seldom as possible, and
     * that it has stopped some seconds after the last call, or when something is said.
     * @param {boolean} [on]
     */
    typing(on?: boolean): void;
    /** Leaves the chat, also without a connection: the server is told when it is back. @returns {Promise<void>} */
    leave(): Promise<void>;
    /** Waits for somebody else by the same criteria, in a chat or after it. @returns {Promise<void>} */
    next(): Promise<void>;
    /**
     * Never be paired with the partner of a chat again; if it goes on it ends.
     * @param {string} [chat] a chat of this session; the current one if left out
     * @returns {Promise<void>}
     */
    block(chat?: string): Promise<void>;
    /**
     * @param {Reason} reason
     * @param {string} [chat] a chat of this session; the current one if left out
     * @param {string} [note] at most 500 characters
     * @param {boolean} [evidence] whether moderators may see the last messages of the chat
     * @returns {Promise<void>}
     */
    report(reason: Reason, chat?: string, note?: string, evidence?: boolean): Promise<void>;
    /**
     * Shows a newer token, so that the connection outlasts the one before.
     * @param {string} token
     * @returns {Promise<{ expires_at: number | null }>}
     */
    auth(token: string): Promise<{
        expires_at: number | null;
    }>;
    #private;
}
/**
 * degrees on the WGS-84 ellipsoid
 */
export type Position = {
    lat: number;
    lon: number;
};
/**
 * the fields of `join`, named as on the wire
 */
export type Criteria = {
    position: Position;
    /**
     * how far one would go, within the server's limits
     */
    range_km: number;
    /**
     * up to where the range may be widened
     */
    max_range_km?: number | undefined;
    /**
     * at most 32 characters
     */
    name?: string | undefined;
    /**
     * at most 8, of at most 24 characters each
     */
    interests?: string[] | undefined;
    /**
     * after how long to stop waiting, 1 to 3600
     */
    give_up_s?: number | undefined;
    /**
     * a guest pass kept from before
     */
    pass?: string | undefined;
};
/**
 * what the server accepts
 */
export type Limits = {
    max_message_bytes: number;
    max_text_chars: number;
    min_range_km: number;
    max_range_km: number;
    position_grid_km: number;
};
export type Welcome = {
    protocol: number;
    server: string;
    session: string;
    resume_token: string;
    resume_window_s: number;
    ping_s: number;
    auth?: "required" | "given" | undefined;
    limits: Limits;
};
export type Waiting = {
    /**
     * the range in force
     */
    range_km: number;
    waited_ms: number;
    nearby: "none" | "few" | "some" | "many";
    estimate_s: {
        p50: number;
        p90: number;
    } | null;
    /**
     * somebody was found, and lost before the chat began
     */
    requeued?: boolean | undefined;
    /**
     * a guest pass to keep from now on
     */
    pass?: string | undefined;
};
export type Chat = {
    id: string;
    partner: {
        name: string | null;
        shared_interests: string[];
    };
    distance: "near" | "region" | "far";
};
export type Reason = "spam" | "abuse" | "sexual" | "minor" | "threat" | "other";
export type State = "idle" | "waiting" | "chatting";
export type Connection = "closed" | "connecting" | "open" | "lost" | "resting" | "stopped";
export type ConnectionChange = {
    state: Connection;
    /**
     * the close code, where there is one
     */
    code: number | null;
    /**
     * why a server that closed it for good did so, in its words
     */
    reason: string;
    /**
     * when it is tried again
     */
    retry_in_ms: number | null;
    /**
     * whether there was a connection before
     */
    was_open: boolean;
    /**
     * whether the server named that delay
     */
    was_asked: boolean;
};
export type Refusal = {
    /**
     * the type of what was refused
     */
    request: string;
    code: string;
    /**
     * a sentence for developers
     */
    message: string;
    retry_after_ms: number | null;
};
export type Options = {
    /**
     * a JSON Web Token; a function is asked for one
     * before each connection
     */
    token?: string | (() => string | Promise<string>) | undefined;
    /**
     * how the token is shown; refusals of the first say why
     */
    tokenBy?: "message" | "subprotocol" | undefined;
    /**
     * whether `said` counts as shown as soon as its listeners ran, or
     * only when `acknowledge` is called
     */
    acknowledge?: "auto" | "manual" | undefined;
    /**
     * where there is no global one
     */
    WebSocket?: {
        new (url: string | URL, protocols?: string | string[]): WebSocket;
        prototype: WebSocket;
        readonly CONNECTING: 0;
        readonly OPEN: 1;
        readonly CLOSING: 2;
        readonly CLOSED: 3;
    } | undefined;
    /**
     * how long the server may leave an answer out; 15 s
     */
    answerMaxMs?: number | undefined;
    /**
     * after how much silence the server is asked whether it is there; 45 s
     */
    quietMaxMs?: number | undefined;
    /**
     * the first delay before another attempt; 0.5 s
     */
    retryFirstMs?: number | undefined;
    /**
     * the longest; 30 s
     */
    retryMaxMs?: number | undefined;
    /**
     * how many messages may wait to be accepted; 1000
     */
    unsentMax?: number | undefined;
};
/**
 * what `on` can listen to, each with what its listeners get
 */
export type Events = {
    /**
     * the connection has changed
     */
    connection: ConnectionChange;
    /**
     * the server's first words on each connection
     */
    welcome: Welcome;
    /**
     * the earlier session goes on
     */
    resumed: {
        state: State;
        recovered: boolean;
    };
    /**
     * the server looks for a partner
     */
    waiting: Waiting;
    /**
     * a chat begins
     */
    matched: Chat;
    /**
     * the partner said something; each once
     */
    said: {
        chat: string;
        seq: number;
        text: string;
        at: number;
    };
    /**
     * an own message has changed its `state`
     */
    message: OwnMessage;
    /**
     * the partner types, or has stopped
     */
    typing: {
        on: boolean;
    };
    partner_away: {
        chat: string;
    };
    partner_back: {
        chat: string;
    };
    /**
     * some of what the partner said is lost
     */
    gap: {
        chat: string;
    };
    /**
     * the chat is over
     */
    partner_left: {
        chat: string;
        reason: "left" | "lost" | "blocked" | "removed";
    };
    /**
     * the chat is over, for the
     * connection was lost for too long, the server went away, or this client was stopped
     */
    chat_lost: {
        chat: string;
        reason: "connection" | "server" | "stopped";
    };
    idle: {
        reason: "cancelled" | "left" | "gave_up" | "expired";
    };
    blocked: {
        chat: string;
    };
    reported: {
        chat: string;
    };
    /**
     * the server stops soon
     */
    going_away: {
        reconnect_after_ms: number;
    };
    /**
     * the server, or this client for it, refused something
     */
    refused: Refusal;
};
export type Deferred<T> = {
    promise: Promise<T>;
    resolve: (value: T) => void;
    reject: (error: Error) => void;
};
export type Timer = ReturnType<typeof setTimeout> | undefined;
export type Request = {
    type: string;
    done: (answer: any) => void;
    fail: (error: WhisperChatError) => void;
};
export type Errand = {
    type: "block" | "report";
    fields: Record<string, unknown>;
    deferred: Deferred<void>;
};

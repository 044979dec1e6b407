/**
 * Everything worth telling an operator, by name. One event is one log line and one count
 * (`gateway_events_total{event}`), so a log and a graph always agree. A leaf: stages get an `Events` and say what
 * happened; how it is written is decided in this folder.
 *
 * Add an event by adding a row to `EVENTS`. `{name}` in the text is replaced by the field of that name.
 */

export type Level = 'debug' | 'info' | 'warn' | 'error';

export interface EventRule {
  readonly level: Level;
  /** One plain sentence for a person; `{field}` is filled in. */
  readonly text: string;
  /** Where a sender can cause it: at most one line per so many ms; the next line says how many were held back. */
  readonly atMostEveryMs?: number;
}

function event(level: Level, text: string, atMostEveryMs?: number): EventRule {
  return atMostEveryMs === undefined ? { level, text } : { level, text, atMostEveryMs };
}

export const EVENTS = {
  'start.defaults': event('info', 'no gateway.yaml here: the embedded defaults, for this machine only'),
  'start.mqtt': event('info', 'MQTT on {address}: {who}'),
  'start.http': event('info', 'HTTP on {url}: {who}. Look at /health/ready, /metrics, /api/account'),
  'start.schemas': event('info', '{count} schemas from {folder}: {names}'),
  'start.store': event('info', 'what is acknowledged is on disk in {folder}'),
  'start.sink': event('info', 'readings go to {where} (sink {sink})'),
  'start.forward': event('info', 'messages on {topics} go on to {url} (forward {forward})'),
  'start.peer': event(
    'info',
    'readings whose repeats peer {peer} has to recognise are passed on to it at {url}; this gateway is {name}',
  ),
  'start.peers-apart': event('warn', 'peers: {words}'),
  'gateway.started': event('info', 'telemetry-gateway {version} is running'),
  'gateway.stopping': event('info', 'stopping: {reason}'),
  'gateway.stopped': event('info', 'stopped'),
  'store.open': event('info', 'the store takes readings again'),
  'store.full': event('error', 'the store takes no readings: {reason}', 10_000),
  'store.unavailable': event('error', 'the store cannot commit, it is probed until it can: {reason}', 10_000),
  'store.dropped': event(
    'warn',
    '{points} points that sink {sink} did not have yet made room for newer ones',
    10_000,
  ),
  'store.settle-mismatch': event(
    'error',
    'sink {sink} settled {points} points more than there were (a bug; its account was corrected)',
    10_000,
  ),
  'store.sink-unclaimed': event(
    'warn',
    'sink {sink} is not in the configuration and holds back {points} points; `telemetry-gateway sinks forget {sink}` lets them go',
  ),
  'store.forward-unclaimed': event(
    'warn',
    'forward {forward} is not in the configuration and keeps {messages} messages; `telemetry-gateway sinks forget {forward}` lets them go',
  ),
  'account.imbalance': event(
    'error',
    'the account does not close at {places} place(s), by {difference} in all (a bug; please report it): {first}',
  ),
  'hook.failed': event('error', 'internal error in {hook}, contained: {error}', 10_000),
  'sink.ready': event('info', 'sink {sink} is open'),
  'sink.retrying': event('warn', 'sink {sink} cannot be written, trying again: {reason}', 10_000),
  'sink.paused': event('error', 'sink {sink} waits for somebody to act, nothing is lost: {reason}', 10_000),
  'sink.recovered': event('info', 'sink {sink} takes writes again'),
  'sink.refused': event('warn', 'sink {sink} refused {points} points, kept as rejected: {words}', 10_000),
  'delivery.restarted': event('error', 'the thread of sink {sink} ended, starting it again: {error}', 10_000),
  'delivery.unsettled': event(
    'error',
    'what sink {sink} has written cannot be noted in the store: {error}',
    10_000,
  ),
  'peer.differs': event('warn', 'peer {peer}: {words}'),
  'forward.connected': event('info', 'forward {forward} is connected to {url}'),
  'forward.retrying': event(
    'warn',
    'forward {forward} cannot connect to {url}, trying again: {reason}',
    10_000,
  ),
  'forward.lost': event('warn', 'forward {forward} has lost {url}, connecting again: {reason}', 10_000),
  'forward.held': event(
    'warn',
    '{url} does not take a message of forward {forward} now, sending it again later: {reason}',
    10_000,
  ),
  'forward.refused': event(
    'error',
    'forward {forward} waits for somebody to act, nothing is lost: {reason}',
    10_000,
  ),
  'forward.refused-message': event(
    'warn',
    'forward {forward}: a message on {topic} will never be taken, it is dropped: {words}',
    10_000,
  ),
  'forward.dropped': event(
    'warn',
    '{messages} messages that forward {forward} had not sent yet made room for newer ones',
    10_000,
  ),
  'forward.unsettled': event(
    'error',
    'what forward {forward} has sent cannot be noted in the store, it may be sent again: {error}',
    10_000,
  ),
  'mqtt.listening': event('debug', 'MQTT 3.1 and 3.1.1 on {host}:{port}'),
  'mqtt.listener-failed': event('error', 'an MQTT listener has trouble: {error}', 10_000),
  'mqtt.too-many-connections': event(
    'warn',
    'too many MQTT connections; one from {address} was turned away',
    10_000,
  ),
  'mqtt.version-unsupported': event(
    'warn',
    'client at {address} speaks MQTT 5; this gateway speaks 3.1 and 3.1.1: set the client to 3.1.1',
    10_000,
  ),
  'mqtt.client-refused': event('warn', 'client {client} at {address} was not let in: {reason}', 10_000),
  'mqtt.disconnected': event('warn', 'client {client} at {address} was disconnected: {reason}', 10_000),
  'mqtt.connection-lost': event('debug', 'connection of {client} at {address} was lost: {reason}', 10_000),
  'mqtt.refused': event(
    'warn',
    'client {client} got no acknowledgement and has to send again: {reason}',
    10_000,
  ),
  'mqtt.subscription-refused': event(
    'warn',
    'client {client} may not subscribe to {filter}: {reason}',
    10_000,
  ),
  'mqtt.subscriber-behind': event('warn', 'messages for {client} are dropped: it reads too slowly', 10_000),
  'mqtt.retained-full': event('warn', 'a retained message was not kept: there is no room for more', 10_000),
  'mqtt.offline-full': event('warn', 'a message for {client} was dropped: its queue is full', 10_000),
  'mqtt.sessions-full': event(
    'warn',
    'there is no room for a session of {client}: the one away for longest goes',
    10_000,
  ),
  'broker.connected': event('info', 'connected to broker {broker} at {address}'),
  'broker.lost': event('warn', 'broker {broker} at {address} is lost: {reason}; it is connected to again'),
  'broker.cannot-connect': event(
    'warn',
    'broker {broker} at {address} cannot be connected to, trying again: {reason}',
    10_000,
  ),
  'broker.turned-away': event(
    'error',
    'broker {broker} at {address} waits for somebody to act, it is tried again now and then: {reason}',
  ),
  'broker.refused': event(
    'warn',
    'broker {broker} is not read for the moment, it gets no acknowledgement and sends again: {reason}',
    10_000,
  ),
  'broker.not-taken': event(
    'warn',
    'a message of broker {broker} on {topic} is left out, and acknowledged: {reason}',
    10_000,
  ),
  'broker.unclaimed': event(
    'warn',
    'broker {broker} has brought {messages} messages since the start, and no schema claims any of them: nothing is stored; `telemetry-gateway topics` lists them',
  ),
  'broker.subscription-refused': event(
    'error',
    'broker {broker} refused the topic filter {filter}: {reason}',
  ),
  'broker.subscription-lowered': event('error', 'broker {broker} takes the topic filter {filter} {reason}'),
  'broker.session-lost': event(
    'warn',
    'broker {broker} has forgotten the session of {client}: what it held for us is gone, if it held anything',
    10_000,
  ),
  'broker.session-shortened': event(
    'warn',
    'broker {broker} keeps our session for {granted} s while we are away, not the {asked} s of sessionExpiry',
    3_600_000,
  ),
  'start.broker': event('info', 'readings come from broker {broker} at {url} as client {client}: {topics}'),
  'start.broker-keeps-nothing': event('warn', 'broker {broker}: {words}'),
  'serial.opened': event('info', 'serial port {port} is open at {path} (device {device})'),
  'serial.lost': event('warn', 'serial port {port} at {path} is lost: {reason}; it is opened again'),
  'serial.waiting': event('warn', 'serial port {port} (device {device}) is waited for: {reason}'),
  'serial.cannot-open': event(
    'warn',
    'serial port {port} at {path} cannot be opened, trying again: {reason}',
  ),
  'serial.shared': event(
    'warn',
    'serial port {port} at {path} is open in {programs} too: what is read there does not come here',
  ),
  'serial.discarded': event(
    'warn',
    'serial port {port}: {bytes} bytes were no frame ({reason}); `telemetry-gateway serial` shows the last ones',
    10_000,
  ),
  'serial.refused': event('warn', 'a frame of serial port {port} was not taken: {reason}', 10_000),
  'serial.unanswered': event(
    'warn',
    'serial port {port} does not read its acknowledgements, some are left out',
    10_000,
  ),
  'schema.changed': event('info', 'reading schema {id} from {file} is in force'),
  'schema.removed': event('info', 'reading schema {id} is no longer in force: {file} is gone'),
  'schema.problem': event('error', '{problem}; {consequence}'),
  'schema.sender-unknown': event('warn', '{problem}'),
  'schema.shared-alone': event('warn', '{problem}'),
  'schema.mended': event('info', 'all reading schemas are in order again'),
  'schema.not-kept': event(
    'error',
    'the last good version of {file} could not be kept, a restart would not have it: {error}',
    10_000,
  ),
  'series.near-budget': event(
    'warn',
    '{series} of {budget} series of {scope} are in use; `telemetry-gateway account --series` shows who uses them',
  ),
  'series.over-budget': event(
    'error',
    'device {device} would begin new series of {measurement}, and {series} of {budget} series of {scope} are in use: such readings are kept as rejected (cardinality), series that exist go on',
    10_000,
  ),
  'series.aged': event('info', '{count} series not seen for {days} days made room; {series} are left'),
  'types.conflict': event(
    'warn',
    'a reading of device {device} is kept as rejected (type-conflict): {words}',
    10_000,
  ),
  'types.differ': event(
    'warn',
    'sink {sink} holds field {field} of {measurement} as {held}, this gateway has stored it as {type}: from now on only what the sink holds is taken',
    10_000,
  ),
  'types.too-many': event(
    'warn',
    'the types of some fields are not checked: there are more than {maxMeasurements} measurements or {maxFields} fields',
    60_000,
  ),
  'device.silent': event(
    'warn',
    'device {device} is silent: nothing valid has come for twice the {expectEveryMs} ms in which it is expected',
    10_000,
  ),
  'device.heard': event('info', 'device {device} is heard again', 10_000),
  'devices.changed': event('info', '{file} is in force: devices that it tells of: {count}'),
  'devices.problem': event('error', '{problem}; {consequence}'),
  'devices.mended': event('info', '{file} is in order again'),
  'devices.not-kept': event(
    'error',
    'the last good version of {file} could not be kept, a restart would not have it: {error}',
    10_000,
  ),
  'clock.unset': event(
    'warn',
    'the clock of this machine is not set ({reason}): readings are taken, and get their time of arrival when it is',
  ),
  'clock.set': event(
    'info',
    'the clock of this machine is set: readings of the last {seconds} s have their time now',
  ),
  'clock.unconfirmed': event(
    'warn',
    'nobody has set the clock of this machine for {minutes} min ({reason}): from now on readings are stamped by it, or right after the last one until it has passed that',
  ),
  'clock.stepped': event('warn', 'the clock of this machine was moved by {seconds} s'),
  'clock.not-kept': event('error', 'that the clock is set could not be kept, trying again: {error}', 10_000),
  'ledgers.not-kept': event(
    'error',
    'what is known of {what} could not be kept, a restart would not have it: {error}',
    10_000,
  ),
} as const satisfies Record<string, EventRule>;

export type EventName = keyof typeof EVENTS;

/** Fields are for the log line and for the text. Never put a secret or a raw payload in. */
export type EventFields = Readonly<Record<string, string | number | boolean | null>>;

export interface Events {
  emit(name: EventName, fields?: EventFields): void;
}

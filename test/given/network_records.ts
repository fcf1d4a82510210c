export const account = '9b8a7f6e-0000-4000-8000-000000000001';
const inbound = (event_id: string, more: object = {}) => ({
  account_id: account,
  workspace_id: '1234567890123456',
  event_id,
  event_time: '2026-11-05T09:00:00.123Z',
  request_path: '/api/2.0/clusters/list',
  source: { ip: '203.0.113.9' },
  authenticated_as: 'ana@example.com',
  policy_outcome: 'DENY',
  rule_label: 'ingress-deny-1',
  ...more,
});
const outbound = (event_id: string, more: object = {}) => ({
  account_id: account,
  workspace_id: '1234567890123456',
  event_id,
  event_time: '2026-11-05 09:00:00.123',
  destination_type: 'DNS',
  destination: 'evil.example.com',
  dns_event: { domain_name: 'evil.example.com', rcode: 3, rdata: ['192.0.2.1'] },
  storage_event: null,
  access_type: 'DROP',
  network_source_type: 'DBSQL',
  ...more,
});

/** Rows of `system.access.outbound_network`. */
export const out = [
  outbound('dns'),
  outbound('dns-name', { dns_event: { domain_name: null, rcode: 'NXDOMAIN' } }),
  outbound('dns-code', { dns_event: { domain_name: 'odd.example.com', rcode: 4242 } }),
  outbound('ip', {
    destination_type: 'IP',
    destination: '203.0.113.77:443',
    dns_event: null,
    access_type: 'DRY_RUN_DENIAL',
  }),
  outbound('host', {
    destination_type: 'IP',
    destination: 'api.example.com',
    dns_event: null,
    ip_event: { port: 443 },
  }),
  outbound('storage', {
    destination_type: 'STORAGE',
    destination: 's3://some-bucket/some-path',
    dns_event: null,
    storage_event: {
      hostname: 'some-bucket.s3.amazonaws.com',
      path: '/some-path',
      rejection_reason: 'storage-bucket-path-denied',
    },
    network_source_type: 'General Compute',
  }),
  outbound('bare', {
    destination_type: null,
    destination: null,
    dns_event: null,
    access_type: null,
    network_source_type: null,
  }),
];
/** Rows of `system.access.inbound_network`. */
export const into = [
  inbound('deny'),
  inbound('dry', { policy_outcome: 'DENY_DRY_RUN', authenticated_as: null, workspace_id: '0' }),
  inbound('new', { policy_outcome: 'SOMETHING_NEW', source: { ip: '2001:DB8::9', type: 'PUBLIC' }, rule_label: null }),
  inbound('bare', { source: null, request_path: null, authenticated_as: '', policy_outcome: null }),
];

-- description: subscriptions, versions of configuration, user actions
--
-- Goes with the pack trading-engine. Its user_activity_log is called
-- user_actions here: that name is taken by a table with other columns.

-- millrace:up

CREATE TABLE lp_subscriptions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  lp_id uuid NOT NULL
    REFERENCES liquidity_providers (id) ON DELETE CASCADE,
  symbol varchar(20) NOT NULL,
  enabled boolean DEFAULT true,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  UNIQUE (lp_id, symbol)
);

CREATE TABLE config_versions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  config_type varchar(100) NOT NULL
    CHECK (config_type IN (
      'system', 'trading', 'risk', 'routing', 'lp', 'user', 'instrument')),
  version integer NOT NULL DEFAULT 1,
  data jsonb NOT NULL,
  created_by uuid
    REFERENCES users (id) ON DELETE SET NULL,
  created_at timestamptz DEFAULT now(),
  UNIQUE (config_type, version)
);

CREATE TABLE user_actions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL
    REFERENCES users (id) ON DELETE CASCADE,
  account_id uuid
    REFERENCES accounts (id) ON DELETE SET NULL,
  action varchar(100) NOT NULL
    CHECK (action IN (
      'login', 'logout', 'create_order', 'cancel_order', 'modify_order',
      'place_trade', 'close_position', 'update_settings', 'update_password',
      'enable_2fa', 'disable_2fa', 'change_role', 'access_report',
      'export_data', 'config_change', 'permission_grant',
      'permission_revoke', 'api_key_create', 'api_key_delete',
      'webhook_create', 'webhook_delete', 'other')),
  details jsonb,
  ip_address inet,
  created_at timestamptz DEFAULT now()
);

CREATE INDEX idx_lp_subscriptions_lp_id ON lp_subscriptions (lp_id);
CREATE INDEX idx_lp_subscriptions_symbol ON lp_subscriptions (symbol);
CREATE INDEX idx_lp_subscriptions_enabled ON lp_subscriptions (enabled)
  WHERE enabled;
CREATE INDEX idx_lp_subscriptions_created_at
  ON lp_subscriptions (created_at DESC);

CREATE INDEX idx_config_versions_type ON config_versions (config_type);
CREATE INDEX idx_config_versions_type_version
  ON config_versions (config_type, version DESC);
CREATE INDEX idx_config_versions_created_by ON config_versions (created_by);
CREATE INDEX idx_config_versions_created_at
  ON config_versions (created_at DESC);
CREATE INDEX idx_config_versions_type_latest
  ON config_versions (config_type DESC, created_at DESC);

CREATE INDEX idx_activity_log_user_id ON user_actions (user_id);
CREATE INDEX idx_activity_log_account_id ON user_actions (account_id);
CREATE INDEX idx_activity_log_action ON user_actions (action);
CREATE INDEX idx_activity_log_created_at ON user_actions (created_at DESC);
CREATE INDEX idx_activity_log_user_created
  ON user_actions (user_id, created_at DESC);
CREATE INDEX idx_activity_log_account_created
  ON user_actions (account_id, created_at DESC);
CREATE INDEX idx_activity_log_ip_address ON user_actions (ip_address);
CREATE INDEX idx_activity_log_action_created
  ON user_actions (action, created_at DESC);

-- millrace:down

DROP TABLE user_actions;
DROP TABLE config_versions;
DROP TABLE lp_subscriptions;

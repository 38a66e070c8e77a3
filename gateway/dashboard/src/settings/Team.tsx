import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Copy, Ellipsis, UserRoundX } from 'lucide-react';
import { useState } from 'react';
import { api, ok } from '../api/client';
import { type Invitation, type Member, type NewInvitation, ROLES, type Role } from '../api/model';
import { ApiError } from '../api/problem';
import { Avatar } from '../design/Avatar';
import { Button, IconButton } from '../design/Button';
import { Card } from '../design/Card';
import { Form, FormError, SelectField, TextField, texts } from '../design/Field';
import { Menu } from '../design/Menu';
import { Modal, ModalActions } from '../design/Modal';
import { Failed, reason, Skeleton } from '../design/Small';
import { membersQuery, useCanManage, useMe, useZone } from '../shell/me';
import { date } from '../time/format';
import { change, later, quietly } from '../undo/change';
import { present } from '../undo/gone';
import { copied } from '../undo/notice';
import { t } from '../words';
import css from './settings.module.css';

const invitationsKey = ['invitations'];

export function Team() {
  const me = useMe();
  const canManage = useCanManage();
  const query = useQuery(membersQuery);
  return (
    <>
      <Card title={t('team.members')} sub={t('team.members.sub', { workspace: me.workspace.name })}>
        {query.data ? (
          <ul className={css.people}>
            {query.data.map((member) => (
              <MemberRow key={member.id} member={member} canManage={canManage} />
            ))}
          </ul>
        ) : query.error ? (
          <Failed error={query.error} onRetry={() => void query.refetch()} />
        ) : (
          <Skeleton height={120} radius={12} />
        )}
      </Card>
      {canManage && <Invitations />}
    </>
  );
}

function MemberRow({ member, canManage }: { member: Member; canManage: boolean }) {
  const me = useMe();
  const client = useQueryClient();
  const [removing, setRemoving] = useState(false);
  const self = member.id === me.user.id;
  const owns = me.role === 'owner';
  // Admins don't raise anybody to owner, nor touch one.
  const mayChange = canManage && (owns || member.role !== 'owner');
  const write = (role: Role) =>
    ok(api.PATCH('/api/v1/workspace/members/{userId}', { params: { path: { userId: member.id } }, body: { role } }));
  const refresh = () => {
    void client.invalidateQueries({ queryKey: membersQuery.queryKey });
    if (self) void client.invalidateQueries({ queryKey: ['me'] });
  };
  const setRole = (role: Role) => {
    const before = member.role;
    quietly(
      change({
        show: () => {
          client.setQueryData<Member[]>(membersQuery.queryKey, (all) =>
            all?.map((one) => (one.id === member.id ? { ...one, role } : one)),
          );
          return refresh;
        },
        send: () => write(role),
        settle: refresh,
        said: () => t('team.role.changed', { name: member.name, role: t(`role.${role}`) }),
        undo: async () => {
          await write(before);
          refresh();
        },
        failed: t('team.role.failed'),
      }),
    );
  };
  const remove = () => {
    setRemoving(false);
    quietly(
      change({
        send: () => ok(api.DELETE('/api/v1/workspace/members/{userId}', { params: { path: { userId: member.id } } })),
        settle: refresh,
        said: () => t('team.removed', { name: member.name }),
        failed: t('team.remove.failed', { name: member.name }),
      }),
    );
  };
  return (
    <li>
      <Avatar name={member.name} size={38} />
      <span className={css.person}>
        <b>
          {member.name}
          {self && <small>{t('team.you')}</small>}
        </b>
        <span>{member.email}</span>
      </span>
      {mayChange ? (
        <select
          className={css.role}
          aria-label={t('team.roleOf', { name: member.name })}
          value={member.role}
          onChange={(event) => setRole(event.target.value as Role)}
        >
          {ROLES.filter((role) => owns || role !== 'owner').map((role) => (
            <option key={role} value={role}>
              {t(`role.${role}`)}
            </option>
          ))}
        </select>
      ) : (
        <span className={css.roleWord}>{t(`role.${member.role}`)}</span>
      )}
      {mayChange && !self ? (
        <Menu
          trigger={
            <IconButton label={t('team.more', { name: member.name })} size="s">
              <Ellipsis size={16} />
            </IconButton>
          }
          items={[{ label: t('team.remove'), icon: UserRoundX, tone: 'bad', onSelect: () => setRemoving(true) }]}
        />
      ) : (
        <span className={css.noMenu} />
      )}
      {removing && (
        <Modal
          title={t('team.remove.title', { name: member.name })}
          sub={t('team.remove.sub')}
          onClose={() => setRemoving(false)}
        >
          <ModalActions>
            <Button onClick={() => setRemoving(false)}>{t('cancel')}</Button>
            <Button kind="danger" onClick={remove}>
              {t('team.remove')}
            </Button>
          </ModalActions>
        </Modal>
      )}
    </li>
  );
}

const linkOf = (invitation: { token: string; email: string }) =>
  `${location.origin}/invitation?${new URLSearchParams({ token: invitation.token, email: invitation.email }).toString()}`;

function Invitations() {
  const me = useMe();
  const zone = useZone();
  const client = useQueryClient();
  const [made, setMade] = useState<NewInvitation | null>(null);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [fault, setFault] = useState('');
  const [round, setRound] = useState(0);
  const query = useQuery({
    queryKey: invitationsKey,
    queryFn: async ({ signal }) => present((await ok(api.GET('/api/v1/workspace/invitations', { signal }))).items),
  });
  const invite = async (form: HTMLFormElement) => {
    const { email = '', role = 'member' } = texts(form);
    setErrors({});
    setFault('');
    try {
      const invitation = await ok(api.POST('/api/v1/workspace/invitations', { body: { email, role: role as Role } }));
      setMade(invitation);
      setRound(round + 1);
      void client.invalidateQueries({ queryKey: invitationsKey });
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) setErrors({ email: t('invite.member') });
      else if (error instanceof ApiError && error.status === 422) setErrors({ ...error.fields });
      else setFault(reason(error));
    }
  };
  const withdraw = (invitation: Invitation) =>
    later({
      id: invitation.id,
      show: () => {
        const before = client.getQueryData<Invitation[]>(invitationsKey);
        client.setQueryData<Invitation[]>(invitationsKey, (all) => all?.filter((one) => one.id !== invitation.id));
        return () => client.setQueryData(invitationsKey, before);
      },
      send: () =>
        ok(
          api.DELETE('/api/v1/workspace/invitations/{id}', {
            params: { path: { id: invitation.id } },
            keepalive: true,
          }),
        ),
      said: t('invite.withdrawn', { email: invitation.email }),
      failed: t('invite.withdraw.failed'),
    });
  return (
    <Card title={t('invite.title')} sub={t('invite.sub')}>
      <FormError>{fault}</FormError>
      <Form
        key={round}
        className={css.invite ?? ''}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          void invite(event.currentTarget);
        }}
      >
        <TextField name="email" label={t('auth.email')} type="email" required autoComplete="off" />
        <SelectField name="role" label={t('team.role')} defaultValue="member">
          {ROLES.filter((role) => me.role === 'owner' || role !== 'owner').map((role) => (
            <option key={role} value={role}>
              {t(`role.${role}`)}
            </option>
          ))}
        </SelectField>
        <Button kind="primary" type="submit">
          {t('invite.go')}
        </Button>
      </Form>
      {made && (
        <div className={css.link} role="status">
          <p>{t('invite.link', { email: made.email, day: date(made.expiresAt, { dateStyle: 'medium' }, zone) })}</p>
          <code>{linkOf(made)}</code>
          <Button
            kind="primary"
            onClick={() => {
              void copied(linkOf(made), t('invite.copied'));
            }}
          >
            <Copy size={14} aria-hidden="true" />
            {t('invite.copy')}
          </Button>
        </div>
      )}
      {query.error && <Failed error={query.error} onRetry={() => void query.refetch()} />}
      {query.data && query.data.length > 0 && (
        <ul className={css.people}>
          {query.data.map((invitation) => (
            <li key={invitation.id}>
              <Avatar name={invitation.email} size={38} />
              <span className={css.person}>
                <b>{invitation.email}</b>
                <span>{t('invite.until', { day: date(invitation.expiresAt, { dateStyle: 'medium' }, zone) })}</span>
              </span>
              <span className={css.roleWord}>{t(`role.${invitation.role}`)}</span>
              <Button kind="ghost" onClick={() => withdraw(invitation)}>
                {t('invite.withdraw')}
              </Button>
            </li>
          ))}
        </ul>
      )}
      <dl className={css.roles}>
        {ROLES.map((role) => (
          <div key={role}>
            <dt>{t(`role.${role}`)}</dt>
            <dd>{t(`role.${role}.sub`)}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

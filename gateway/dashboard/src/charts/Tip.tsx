import css from './charts.module.css';

interface Props {
  left: number;
  top: number;
  title: string;
  rows: { name: string; value: string; color: string }[];
  more?: string | undefined;
}

/** What stands over the point under the pointer. The same is read aloud from the chart, so this is hidden from readers. */
export const Tip = ({ left, top, title, rows, more }: Props) => (
  <div className={css.tip} style={{ left, top }} data-below={top < 70 || undefined} aria-hidden="true">
    <p>{title}</p>
    <dl>
      {rows.map((row) => (
        <div key={row.name}>
          <dt>
            <i style={{ background: row.color }} />
            {row.name}
          </dt>
          <dd className="num">{row.value}</dd>
        </div>
      ))}
    </dl>
    {more && <small>{more}</small>}
  </div>
);

/* Recovery from a lost log (../consensus.md 8): whoever votes again after (a), (b) and (c) may be counted as honest, which is
   what ../consensus-argument.md L5 and L6 say. n = 4, f = 1, q = 3; member 0 loses its log once, at any moment, and is
   the one faulty member while it lasts. The others keep all rules. What is asserted when member 0 votes again is that
   nothing it has forgotten can still contradict it.

   One height, two blocks, both proposed in every view by leaders that lie; a view whose maximum is one of them proposes
   it again, or what stands on it, which is the same here. Any certificate may be of a tenure_end block (V3). The network is
   a bag: what was said can be heard at any time, or never. COMMITs need no step: what a member may have COMMITted, sooner or
   later, can be read from its reports (R5, R7), as in votes.pml.

   Claims rise with time and a lower one allows more, so the STATUS of all others are of the moment of the loss. A member
   enters a view when it does something there, and says so in no other way. */
#ifndef VIEWS
#define VIEWS 3
#endif
#include "rules.h"

#define N 4
#define V_MAX (FLOOR -> VIEWS - 3 : VIEWS - 2)
#define NONE 1                        /* a report without a certificate */
#define certificate(v, x) ((v) * 2 + (x) + 1)          /* 2 ...: of block x = 1, 2 in view v */
#define cert_view(c) (((c) - 2) / 2)
#define cert_block(c) (((c) - 2) % 2 + 1)
#define voted(set, v) (((set) >> (2 * (v))) & 3)       /* 0, or the block */
#define report(i, w) ((reported[i] >> (4 * (w) - 4)) & 15)   /* 0: none to that view */

byte prepared[N];                     /* PREPAREs by view, as the member remembers them */
int reported[N];                      /* VIEW-CHANGEs by target, as they were sent; 4 bits each */
byte at[N];                           /* the higher of view and target, */
bit inside[N];                            /* and whether it is the view */
byte certified;                       /* PREPARE-QCs: for each view a set of blocks */
byte lost_prepared, lost_certified;   /* what member 0 signed before, and what it may have COMMITted */
byte claim;                           /* V of (a) */
byte mode;                            /* of member 0: 0 votes, 1 recovering, 2 votes again */

byte i, j, v, w, x, c, n, u;          /* of the step being made; all 0 between steps */
int k;
bit ok;

inline pick(what, low, high) { what = low; do :: what < (high) -> what++ :: break od }

/* n: members that asked for at least this view. */
inline count_targets(least) {
  n = 0; j = 0;
  do :: j < N -> n = n + ((reported[j] >> (4 * (least) - 4)) > 0); j++ :: else -> break od
}
/* ok: member i is in view `to`, or may enter it (V3). */
inline may_be_in(to) {
  n = 0; j = 0;
  do :: j < N -> n = n + (report(j, to) > 0); j++ :: else -> break od;
  ok = at[i] == (to) && inside[i] || at[i] <= (to) && (to) > 0 && (n >= 3 || voted(certified, (to) - 1))
}

/* ok: q VIEW-CHANGEs to view v have a maximum that lets x be proposed. */
inline may_open() {
  ok = false; c = NONE;
  do
  :: c <= certificate(v - 1, 2) ->
     n = 0; j = 0; k = 0;
     do
     :: j < N ->
        n = n + (report(j, v) > 0 && report(j, v) <= c);
        k = k + (report(j, v) == c);
        j++
     :: else -> break
     od;
     ok = ok || n >= 3 && k > 0 && (c == NONE || cert_block(c) == x);
     c++
  :: else -> break
  od;
  c = 0
}

inline count_votes(block) {              /* n: PREPAREs for it in view v, those that are forgotten included */
  n = (voted(lost_prepared, v) == (block) || voted(prepared[0], v) == (block)) + (voted(prepared[1], v) == (block)) +
      (voted(prepared[2], v) == (block)) + (voted(prepared[3], v) == (block))
}

inline prepare() {                    /* R1, V4, or V3 with the certificate of the view before */
  pick(i, (mode > 0), N - 1); pick(v, at[i], VIEWS - 1); pick(x, 1, 2);
  d_step {
  may_be_in(v);
  if
  :: ok && v > 0 -> may_open(); ok = ok || voted(certified, v - 1) & x
  :: else
  fi;
  ok = ok && voted(prepared[i], v) == 0 && (x == 1 || (prepared[0] | prepared[1] | prepared[2] | prepared[3] | lost_prepared));
  if
  :: ok ->
     at[i] = v; inside[i] = 1;
     prepared[i] = prepared[i] | (x << (2 * v));
     count_votes(x);
     if :: n >= 3 -> certified = certified | (x << (2 * v)) :: else fi;
     assert(voted(certified, v) != 3)                                          /* L1 */
  :: else
  fi;
  end_step()
  }
}

inline view_change() {                /* V1: the next view alone, further with q; V2: with f+1. Reports certificate c, R7 */
  pick(i, (mode > 0), N - 1); pick(w, at[i] + 1, VIEWS - 1); pick(c, NONE, certificate(VIEWS - 2, 2));
  d_step {
  ok = w < VIEWS && (c == NONE || cert_view(c) < w && (voted(certified, cert_view(c)) & cert_block(c)));
  v = 1;
  do :: v < VIEWS -> ok = ok && report(i, v) <= c; v++ :: else -> break od;
  if
  :: ok ->
     may_be_in(w - 1); k = ok;
     count_targets(w); ok = k || n >= 2;
     if :: !ok && w == at[i] + 1 && at[i] > 0 -> count_targets(w - 1); ok = n >= 3 :: else fi
  :: else
  fi;
  if
  :: ok -> at[i] = w; inside[i] = 0; reported[i] = reported[i] | (c << (4 * w - 4))
  :: else
  fi;
  end_step()
  }
}

inline second_claim() {               /* v: the second highest of the three others' */
  x = at[1]; v = at[2]; w = at[3];
  if :: x < v -> n = x; x = v; v = n :: else fi;
  if :: v < w -> v = w :: else fi;
  if :: v > x -> v = x :: else fi
}

inline lose_log() {                   /* and (a): V is the second highest of three claims, as q - f = 2 */
  d_step {
  lost_prepared = prepared[0]; lost_certified = certified;
  second_claim(); claim = v;
  prepared[0] = 0; at[0] = 0; inside[0] = 0; mode = 1;
  end_step()
  }
}

/* ok: member i may still come to have COMMITted block x of view v. */
inline may_commit() {
  ok = true; w = v + 1;
  do :: w < VIEWS -> ok = ok && (report(i, w) == 0 || report(i, w) >= certificate(v, 1)); w++ :: else -> break od
}

/* L5 and L6, of member 0 that votes again in view u with certificate c. */
inline is_honest_again() {
  assert((lost_prepared >> (2 * u)) == 0);             /* L5: no forgotten PREPARE or COMMIT in u or above, */
  assert((lost_certified >> (2 * u)) == 0);
  assert((reported[0] >> (4 * u)) == 0);               /* and no forgotten VIEW-CHANGE to a view above */
  v = 0;
  do
  :: v < u && voted(lost_certified, v) ->              /* L6: what its lost COMMIT helps to commit is below its certificate */
     x = voted(lost_certified, v); n = 0; i = 1;
     do :: i < N -> may_commit(); n = n + ok; i++ :: else -> break od;
     i = 0; may_commit();
     assert(!ok || n < 2 || c != NONE && cert_view(c) >= v && cert_block(c) == x);
     v++
  :: v < u && !voted(lost_certified, v) -> v++
  :: else -> break
  od
}

inline resume() {                     /* (c), for view u, if others have formed it without member 0 */
  pick(u, 0, VIEWS - 1);
  d_step {
  c = NONE;
  if
  :: !SILENCE -> ok = u == 0          /* as soon as it has been answered */
  :: else ->
     ok = (FLOOR -> u > claim + 1 : u > claim);
     if
     :: ok && voted(certified, u) -> c = certificate(u, voted(certified, u))
     :: ok && !voted(certified, u) ->
        ok = report(1, u) > 0 && report(2, u) > 0 && report(3, u) > 0;
        if
        :: ok ->
           c = report(1, u);
           if :: report(2, u) > c -> c = report(2, u) :: else fi;
           if :: report(3, u) > c -> c = report(3, u) :: else fi
        :: else
        fi
     :: else
     fi
  fi;
  if :: !HIGHQC -> c = NONE :: else fi;
  if :: ok -> mode = 2; is_honest_again(); reached() :: else fi;
  end_step()
  }
}

/* With -DREACH=N, a search that must fail: what it fails at can happen, so the model is not empty. */
#ifndef REACH
#define REACH 0
#endif
inline reached() {
  assert(!(REACH == 1 && lost_certified && c != NONE && cert_view(c) < u));   /* by a NEW-VIEW, after a COMMIT was lost */
  assert(!(REACH == 2 && c != NONE && cert_view(c) == u));                     /* by a certificate of its view */
  assert(!(REACH == 3 && voted(lost_prepared, claim + 1)))                     /* it had voted in view V+1 */
}

/* Votes of a view that is certified, or cannot be any more, say nothing: of those of members 1 to 3 that have left it none
   is kept, of the certified ones all. Members that keep their logs are alike: their order says nothing. */
inline forget_votes() {
  v = 0;
  do
  :: v < VIEWS ->
     k = 0; j = (mode > 0);
     do :: j < N -> k = k + (at[j] <= v && voted(prepared[j], v) == 0); j++ :: else -> break od;
     count_votes(1); u = n; count_votes(2);
     j = 1;
     do
     :: j < N && voted(certified, v) -> prepared[j] = prepared[j] & ~(3 << (2 * v)) | (voted(certified, v) << (2 * v)); j++
     :: j < N && !voted(certified, v) ->
        if :: at[j] > v && u + k < 3 && n + k < 3 -> prepared[j] = prepared[j] & ~(3 << (2 * v)) :: else fi;
        j++
     :: else -> break
     od;
     v++
  :: else -> break
  od
}
#define rank(a) ((((reported[a] << 2) | at[a]) << 1 | inside[a]) << 8 | prepared[a])
inline sort(a, b) {
  if
  :: rank(a) > rank(b) ->
     k = prepared[a]; prepared[a] = prepared[b]; prepared[b] = k;
     k = reported[a]; reported[a] = reported[b]; reported[b] = k;
     k = at[a]; at[a] = at[b]; at[b] = k;
     k = inside[a]; inside[a] = inside[b]; inside[b] = k
  :: else
  fi
}
inline end_step() {
  second_claim();                                      /* a loss from here on would leave no view to vote again in */
  if :: mode == 0 && SILENCE && v > V_MAX -> mode = 2 :: else fi;
  forget_votes();
  sort(1, 2); sort(2, 3); sort(1, 2);
  i = 0; j = 0; v = 0; w = 0; x = 0; c = 0; n = 0; u = 0; k = 0; ok = 0
}

init {
  inside[0] = 1; inside[1] = 1; inside[2] = 1; inside[3] = 1;
end:
  do
  :: atomic { mode < 2 -> prepare() }
  :: atomic { mode < 2 -> view_change() }
  :: atomic { mode == 0 -> lose_log() }
  :: atomic { mode == 1 -> resume() }
  od
}

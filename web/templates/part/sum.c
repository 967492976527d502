<i>#include</i> &lt;stdio.h&gt;

<i>/* Adds the numbers of its chunk. */</i>
<b>int</b> main(<b>void</b>) {
    <b>long</b> sum = 0, n;
    <b>while</b> (scanf("%ld", &amp;n) == 1) sum += n;
    printf("sum,%ld\n", sum);
    <b>return</b> 0;
}

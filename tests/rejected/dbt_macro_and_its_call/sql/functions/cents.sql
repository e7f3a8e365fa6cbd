{% macro cents_to_sek(x) %} {{ x }} / 100 {% endmacro %}
